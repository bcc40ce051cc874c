"""A study as a multirun: whichever launcher starts the runs, each is the run that it is alone."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch

from fairseq_budget.report.train_log import read_train_log
from tests.integration.conftest import Training, check, run

pytestmark = pytest.mark.integration

SEEDS = (3, 5)
RUN = ("task.budget.flops=null", "task.budget.updates=3", "task.checkpoints=1", "dataset.validate_interval_updates=1")


@pytest.fixture(scope="module")
def alone(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Training]:
    """A run for each seed, by itself."""
    folder = tmp_path_factory.mktemp("alone")
    runs = [Training(corpus / "data", folder / str(seed), "tera") for seed in SEEDS]
    for training, seed in zip(runs, SEEDS, strict=True):
        check(training.run(*RUN, f"common.seed={seed}", OMP_NUM_THREADS="1"))
    return runs


@pytest.mark.parametrize("launcher", ["basic", pytest.param("joblib", marks=pytest.mark.slow), "submitit_local"])
def test_each_run_is_as_it_is_alone(corpus: Path, tmp_path: Path, alone: list[Training], launcher: str) -> None:
    """The basic launcher runs them one after the other in its own process, joblib's at the same time in two, submitit's in
    processes as on a cluster."""
    study = tmp_path / "study"
    template = Training(corpus / "data", study, "tera").command(*RUN)
    overrides = [text for text in template if not text.startswith("hydra.run")]
    sweep = [f"hydra/launcher={launcher}", f"hydra.sweep.dir={study}", "hydra.sweep.subdir=${common.seed}"]
    if launcher == "joblib":
        sweep.append("hydra.launcher.n_jobs=2")
    process = run(["fairseq-hydra-train", "-m", *overrides, "common.seed=3,5", *sweep], tmp_path, OMP_NUM_THREADS="1")
    check(process)
    assert "Traceback" not in process.stderr, "where a process ends, too"
    for seed, expected in zip(SEEDS, alone, strict=True):
        found = Training(corpus / "data", study / str(seed), "tera")
        assert_same_run(found, expected)
        command = shlex.split(found.record["command"])
        assert {f"common.seed={seed}", f"hydra.run.dir={found.folder}"} <= set(command)


def assert_same_run(found: Training, expected: Training) -> None:
    """Its own parameters, losses, best checkpoint, log and events; nothing of another run."""
    weights = [torch.load(training.checkpoint)["model"] for training in (found, expected)]
    assert all(torch.equal(weights[0][name], value) for name, value in weights[1].items())
    records = [training.record for training in (found, expected)]
    assert records[0]["metrics"] == records[1]["metrics"]
    assert records[0]["seed"] == records[1]["seed"]
    files = [sorted(path.name for path in training.checkpoint.parent.iterdir()) for training in (found, expected)]
    assert files[0] == files[1]
    logs = [log_of(training) for training in (found, expected)]
    assert logs[0] == logs[1]
    assert [point.updates for point in read_train_log(found.folder / "train.log").train] == [1, 2, 3]
    events = [list((training.folder / "tensorboard").rglob("events.out.*")) for training in (found, expected)]
    assert len(events[0]) == len(events[1]) > 0


def log_of(training: Training) -> tuple[int, list[dict[str, str]]]:
    """How many lines fairseq's log has, and the losses in it."""
    # where it is, it tells once a while, if it lasts that long
    lines = [line for line in (training.folder / "train.log").read_text().splitlines() if " heard, " not in line]
    stats = [json.loads(line) for line in lines if line.startswith("{") and '_updates"' in line]
    return len(lines), [
        {name: value for name, value in entry.items() if name.endswith(("loss", "updates"))} for entry in stats
    ]
