"""CTC fine-tuning through fairseq: from every kind of beginning, interrupted, counted, and scored."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

from fairseq_budget.objectives import OBJECTIVES
from fairseq_budget.recipes import recipes_dir
from tests.integration.conftest import Training, check, run
from tests.integration.test_mistakes import message
from tests.integration.test_resume import assert_same_end

pytestmark = pytest.mark.integration


class Finetuning(Training):
    """`--config-name finetune`, eight updates of which three are frozen."""

    def command(self, *overrides: str) -> list[str]:
        recipe = ["--config-dir", str(recipes_dir()), "--config-name", "finetune", "finetune=mini", "device=cpu"]
        short = ["task.budget.updates=8", "model.freeze_updates=3", "dataset.max_tokens=320000", "common.log_interval=1"]
        return [*recipe, *short, f"task.data={self.data}", f"hydra.run.dir={self.folder}", *overrides]


@pytest.fixture(scope="module")
def data(corpus: Path) -> Path:
    """The manifests of the corpus, with transcripts."""
    check(run(["fairseq-budget", "asr", "transcripts", str(corpus / "data")], corpus))
    return corpus / "data"


class Pretrained(dict[str, Path]):
    """A checkpoint of each objective that is asked for, after two updates; wav2vec 2.0's from convolutions."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder

    def __missing__(self, objective: str) -> Path:
        training = Training(self.data, self.folder / objective, objective)
        frontend = "conv" if objective == "wav2vec2" else "mel"
        check(
            training.run(f"frontend={frontend}", "task.budget.flops=null", "task.budget.updates=2", "dataset.num_workers=0")
        )
        self[objective] = training.checkpoint
        return self[objective]


@pytest.fixture(scope="module")
def pretrained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return Pretrained(corpus / "data", tmp_path_factory.mktemp("pretrained"))


@pytest.mark.parametrize(
    "objective",
    [pytest.param(name, marks=[] if name == "hubert" else [pytest.mark.slow]) for name in OBJECTIVES],
)
def test_from_every_objective(data: Path, pretrained: Pretrained, tmp_path: Path, objective: str) -> None:
    """The encoder is the checkpoint's: while it is frozen it stays so bit by bit; the record tells where it came from."""
    tuned = Finetuning(data, tmp_path / "run", "finetune")
    options = (f"model.checkpoint={pretrained[objective]}", "model.train_frontend=false")
    check(tuned.run(*options, "task.budget.updates=3"))
    before, after = (torch.load(path)["model"] for path in (pretrained[objective], tuned.checkpoint))
    shared = before.keys() & after.keys()
    assert {"encoder.layers.1.fc1.weight", "mask_emb"} <= shared
    assert all(torch.equal(before[name], after[name]) for name in shared)
    check(tuned.run(*options))
    after = torch.load(tuned.checkpoint)["model"]
    changed = {name.partition(".")[0] for name in shared if not torch.equal(before[name], after[name])}
    assert {"encoder"} <= changed <= {"encoder", "mask_emb"}
    record = tuned.record
    assert (record["kind"], record["pretrained"], record["spent"]["updates"]) == ("finetune", objective, 8)
    assert record["parent"]["path"] == str(pretrained[objective]) and record["parent"]["inherited"]["updates"] == 0
    assert record["spent"]["flops"] == pytest.approx(record["plan"]["flops"], rel=0.15)


@pytest.mark.slow
def test_killed_it_ends_the_same(data: Path, pretrained: Pretrained, tmp_path: Path) -> None:
    """Killed within the frozen phase; its parent is gone when it goes on."""
    parent = tmp_path / "parent.pt"
    parent.write_bytes(pretrained["hubert"].read_bytes())
    options = (f"model.checkpoint={parent}", "checkpoint.save_interval_updates=1")
    whole, killed = (Finetuning(data, tmp_path / name, "finetune") for name in ("whole", "killed"))
    check(whole.run(*options))
    killed.run_and_signal(2, signal.SIGKILL, *options)
    assert killed.record["spent"]["updates"] < 8
    parent.unlink()
    check(killed.run(*options))
    assert_same_end(killed, whole)
    assert killed.record["parent"] == whole.record["parent"] | {"new": killed.record["parent"]["new"]}


@pytest.mark.slow
def test_another_parent_is_refused(data: Path, pretrained: Pretrained, tmp_path: Path) -> None:
    tuned = Finetuning(data, tmp_path / "run", "finetune")
    check(tuned.run(f"model.checkpoint={pretrained['hubert']}", "task.budget.updates=3"))
    told = tuned.run(f"model.checkpoint={pretrained['wav2vec2']}")
    assert told.returncode == 1
    assert f"the run in this folder began from `{pretrained['hubert']}`: name that one" in message(told.stderr)


def test_from_scratch_and_scored(data: Path, corpus: Path, tmp_path: Path) -> None:
    """Pieces instead of letters; error rates by pieces and by words, as printed and as recorded."""
    pieces = tmp_path / "data"
    pieces.mkdir()
    for split in ("train", "valid"):
        (pieces / f"{split}.tsv").write_bytes((data / f"{split}.tsv").read_bytes())
    made = ["asr", "transcripts", str(pieces), "--units", "sentencepiece", "--vocabulary", "60"]
    check(run(["fairseq-budget", *made], tmp_path))
    tuned = Finetuning(pieces, tmp_path / "run", "finetune")
    check(tuned.run("frontend=mel", "size=0.15"))
    assert tuned.record["pretrained"] == "scratch" and "parent" not in tuned.record
    valid = tuned.logged("valid")[-1]
    assert 0 < valid["valid_unit_error_rate"] <= 1.5
    check(run(["fairseq-budget", "asr", "lm", str(pieces), "--out", "lm.arpa"], tmp_path))
    score = ["asr", "score", str(tuned.checkpoint), str(pieces), "--json", "--out", "score"]
    words = ["--lm", "lm.arpa"] if _has_flashlight() else []
    told = json.loads(check(run(["fairseq-budget", *score, *words], tmp_path)).stdout)
    record = json.loads((tmp_path / "score" / "record.json").read_text())
    assert record["results"] == told and record["kind"] == "recognition" and record["objective"] == "scratch"
    assert [one["decoder"] for one in told] == (["pieces", "words"] if words else ["pieces"])
    assert all(0 < one["wer"] <= 150 and one["words"] > 100 for one in told)
    lines = (tmp_path / "score" / "valid.pieces.txt").read_text().splitlines()
    assert [line.partition("\t")[0] for line in lines] == (pieces / "valid.wrd").read_text().splitlines()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("model.checkpoint=nowhere.pt",), "`model.checkpoint`: no file `"),
        (("task.padding=false",), "no batch may crop: `task.padding=true`"),
        (("task.transcripts=/nowhere",), "no transcripts in `/nowhere`: make them with `fairseq-budget asr transcripts`"),
        (("task.max_sample_size=16000",), "is longer than `task.max_sample_size` = 16000 samples"),
    ],
)
def test_mistakes_are_one_line(data: Path, tmp_path: Path, overrides: tuple[str, ...], expected: str) -> None:
    told = Finetuning(data, tmp_path / "run", "finetune").run(*overrides)
    assert told.returncode == 1
    assert expected in message(told.stderr)


def test_a_pre_trained_model_knows_no_letters(data: Path, pretrained: Pretrained, tmp_path: Path) -> None:
    told = run(["fairseq-budget", "asr", "score", str(pretrained["hubert"]), str(data)], tmp_path)
    assert told.returncode == 2
    assert "was pre-trained by hubert and knows no letters: fine-tune it" in told.stderr


def _has_flashlight() -> bool:
    try:
        import flashlight.lib.text.decoder  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True
