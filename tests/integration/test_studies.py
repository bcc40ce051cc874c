"""A study from its declaration to its page, of cells that train for some updates; killed once on the way."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fairseq_budget.report.studies.page import write_study_report
from fairseq_budget.studies import launch
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.status import DONE, states
from fairseq_budget.studies.study import (
    FINETUNE,
    GRADIENTS,
    MINI,
    RECOGNITION,
    RESOURCES,
    Axis,
    Cell,
    Kept,
    Published,
    Study,
)
from tests.integration.conftest import run

pytestmark = pytest.mark.integration

HOW = launch.How(MINI, "cpu", launch.BASIC, 1)
UPDATES = (
    "frontend=mel",
    "budget=mini",
    "dataset.max_tokens=64000",
    "task.budget.flops=null",
    "task.budget.updates=4",
    "task.checkpoints=2",
)


def cells(scale: str) -> list[Cell]:
    """Two objectives, one of which needs labels; a part of the data; one fine-tuned, one looked at, one measured."""
    trained = [
        Cell(f"{recipe}-{size}", recipe, (f"size={size}", *UPDATES), recipe, float(size), data_share=share)
        for recipe, size, share in (("tera", "0.05", 1.0), ("tera", "0.15", 0.25), ("hubert", "0.05", 1.0))
    ]
    tuning = ("frontend=mel", "size=0.05", "finetune=mini", "task.budget.updates=4", "model.freeze_updates=2")
    gradients = ("--seconds", "4", "--crop", "2", "--batches", "2")
    step = (
        "--objective",
        "tera",
        "--size",
        "0.05",
        "--frontend",
        "mel",
        "--lengths",
        "1",
        "--batches",
        "2",
        "--repeats",
        "1",
    )
    return [
        *trained,
        Cell("ctc", FINETUNE, tuning, "ctc", 0.05, data_share=0.25, tasks=(RECOGNITION,), begins_from=Kept("hubert-0.05")),
        dataclasses.replace(
            trained[2], name="at2", x=0.5, looks_at=Kept("hubert-0.05", 2), tasks=(GRADIENTS,), options=gradients
        ),
        Cell("step", "", (), "step", 0.05, tasks=(RESOURCES,), options=step),
    ]


STUDY = Study(
    "tiny",
    "A tiny study",
    "nobody",
    Axis("size"),
    cells,
    lambda: [Published("tera", "tera", 0.05, {"valid_loss": 5.0})],
    ("valid_loss", "KS_ACC", "valid_letters", "deviation", "step_seconds"),
    {MINI: ("It is tiny.",)},
)


@pytest.fixture(scope="module")
def place(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("studies") / "study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch.subprocess, "run", warmly)
        launch.run(STUDY.runs(MINI), made, dataclasses.replace(HOW, data=corpus / "data"))
    return made


def warmly(command: list[str], env: dict[str, str], check: bool) -> subprocess.CompletedProcess[str]:
    """What is evaluated, begun from a process that has imported what it needs."""
    return run(["python", *command[1:]], Path.cwd(), **env)


def test_every_cell_is_trained_and_not_again(place: Place, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(state.training, state.unscored) for state in states(STUDY.runs(MINI), place)] == [(DONE, ())] * 6
    before = {path: path.stat().st_mtime_ns for path in place.pretrain.rglob("*.pt")}
    monkeypatch.setattr(launch, "_start", lambda *_: pytest.fail("nothing is left to train"))
    launch.run(STUDY.runs(MINI), place, dataclasses.replace(HOW, data=corpus / "data"))
    assert before == {path: path.stat().st_mtime_ns for path in place.pretrain.rglob("*.pt")}


def test_the_page_has_every_point_and_the_published_one(place: Place) -> None:
    page = write_study_report(STUDY, MINI, place).read_text(encoding="utf-8")
    assert "It is tiny." in page and "A tiny study" in page
    folder = place.report("tiny")
    assert (folder / "valid_loss.png").stat().st_size > 10_000 and (folder / "valid_loss.svg").is_file()
    lines = (folder / "table.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["who", *["study"] * 6, "paper"]
    assert (folder / "valid_letters_by_flops.png").is_file() and (folder / "deviation.png").is_file()
    assert r"\toprule" in (folder / "table.tex").read_text()


@pytest.mark.slow
def test_a_study_that_is_asked_to_stop_goes_on(corpus: Path, tmp_path: Path) -> None:
    """SIGTERM to the study alone: its runs save a checkpoint, and the same command goes on from there."""
    out = tmp_path / "study"
    command = [sys.executable, "-m", "fairseq_budget", "study", "run", "improved_small", "--scale", "mini", "--seeds", "1"]
    command += ["--out", str(out), "--data", str(corpus / "data"), "--launcher", "basic", "--"]
    long = [*command, "task.budget.flops=null", "task.budget.updates=1000000", "dataset.max_tokens=64000"]
    log = out / "pretrain" / "hubert-1-wide-mel-8e+11" / "train.log"
    with subprocess.Popen(long, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None and not (log.is_file() and "loss" in log.read_text()):
            time.sleep(0.2)
        process.terminate()
        told = process.communicate(timeout=120)[0]
    assert process.returncode == 2 and "stopped as asked; the same command goes on" in told, told
    assert "Usage:" not in told, "what watches the runs has all that it needs"
    status = [*command[:4], "status", *command[5:12], "--json"]
    found = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    assert '"training": "stopped"' in found and "hydra.run.dir=" in found
