"""`fairseq-budget export`: the model card tells of the run that the checkpoint belongs to, and of no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.records.pretraining import PretrainingRecord
from tests.unit.checkpoints.conftest import save
from tests.unit.report.test_model_card import record


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    if isinstance(result.exception, BudgetError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """In the folder of a run with a record, whose `checkpoint_last.pt` it is."""
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    record(checkpoint="checkpoints/checkpoint_last.pt").write(tmp_path / "run/record.json")
    assert PretrainingRecord.read(tmp_path / "run/record.json").checkpoint
    return Path(shutil.move(save(tmp_path, "wav2vec2"), tmp_path / "run/checkpoints/checkpoint_last.pt"))


def test_the_card_tells_of_the_run(checkpoint: Path, tmp_path: Path) -> None:
    printed = run(checkpoint, tmp_path / "hf", "--to", "hf", "--licence", "cc-by-4.0")
    assert "features of one second of noise differ by" in printed
    card = (tmp_path / "hf/README.md").read_text()
    for text in ("200.00 PFLOP", "0123abc", "license: cc-by-4.0", "mask_time_prob=0.65", "10 times their mean square"):
        assert text in card
    other = checkpoint.rename(checkpoint.with_name("checkpoint_at_6.65e17_flops.pt"))
    run(other, tmp_path / "other", "--to", "hf")
    assert "Budget, data and losses are unknown" in (tmp_path / "other/README.md").read_text()


def test_what_belongs_to_hugging_face_alone(checkpoint: Path, tmp_path: Path) -> None:
    for options in (["--push", "me/model"], ["--licence", "mit"], ["--superb", str(tmp_path)]):
        with pytest.raises(ConfigError, match="belong to `--to hf`, not to `--to s3prl`"):
            run(checkpoint, tmp_path / "out", "--to", "s3prl", *options)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_that_cannot_be_pushed(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(BudgetError, match="`--push me/my/model` names no repository"):
        run(checkpoint, tmp_path / "hf", "--to", "hf", "--push", "me/my/model")
    assert not (tmp_path / "hf").exists()


def test_to_fairseq(checkpoint: Path, tmp_path: Path) -> None:
    printed = run(checkpoint, tmp_path / "stock.pt", "--to", "fairseq")
    assert f"model.w2v_path={tmp_path / 'stock.pt'}" in printed
    assert (tmp_path / "stock.pt").is_file()
