"""A newcomer's mistakes with fairseq-budget: one line that names the right thing, or typer's box with it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError

LINES = [
    ("plan --objective huber", "unknown objective `huber`: choose one of hubert"),
    ("plan --objective hubert --flops -1", "must be positive, but is -1"),
    ("plan --objective hubert --sizes slimm", "unknown size `slimm`: choose one of"),
    ("manifest nowhere --out d", "does not exist: name the folder that holds the audio"),
    ("labels nowhere", "make it again with `fairseq-budget manifest`"),
    ("check nowhere", "`nowhere` has no train.tsv, valid.tsv"),
    ("report nowhere", "no run to report"),
    ("superb nowhere.pt", "no checkpoint `nowhere.pt`"),
    ("superb --upstream fbank --tasks kss", "unknown task `kss`: choose one of pr, asr"),
    ("collate nowhere", "no folder `nowhere`"),
    ("study plan model", "unknown study `model`: choose one of objectives"),
    ("study run model_size --scale min", "unknown scale `min`: choose one of paper, mini"),
    ("study run model_size --launcher slrum", "unknown launcher `slrum`: choose one of basic, joblib, slurm"),
    ("analyse isoflop nowhere", "neither a CSV file nor a folder with a record.json"),
    ("corpus librispeech nowhere", "or add `--download`"),
    ("corpus superb kss x --out y", "unknown task `kss`: choose one of pr, asr"),
    ("corpus superb ks nowhere --out y", "no folder `nowhere`"),
    ("corpus synthetic spoken --hours -1", "`hours` must be above 0, but is -1"),
    ("bench --size huge", "unknown size `huge`: choose one of"),
]
BOXES = [
    ("plann", "Did you mean 'plan'?"),
    ("plan", "Missing option '--objective'"),
    ("plan --objective hubert --flop 1e18", "--flops"),
    ("plan --objective hubert --flops abc", "Invalid value for '--flops'"),
    ("manifest data", "Missing option '--out'"),
    ("recipes hubert", "unexpected extra argument"),
]


@pytest.mark.parametrize(("command", "line"), LINES, ids=[command for command, _ in LINES])
def test_one_line(command: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, shlex.split(command)).exception
    assert isinstance(error, BudgetError)
    assert line in str(error) and "\n" not in str(error)


@pytest.mark.parametrize(("command", "text"), BOXES, ids=[command for command, _ in BOXES])
def test_a_box(command: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    answer = CliRunner().invoke(app, shlex.split(command))
    assert answer.exit_code == 2
    assert text in answer.stderr
