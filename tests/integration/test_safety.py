"""What could go wrong without a word, in whole runs: damage, divergence, two processes, sets of other names."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from fairseq_budget.checkpoints.run_state import ledger_of
from tests.integration import conftest
from tests.integration.conftest import Training, check
from tests.integration.test_mistakes import message
from tests.integration.test_resume import TWELVE_UPDATES, assert_same_end
from tests.warm_start import FAIRSEQ, warm

pytestmark = pytest.mark.integration

LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a command whose files can't grow beyond so many bytes."""


@pytest.fixture
def run(corpus: Path, tmp_path: Path) -> Training:
    return Training(corpus / "data", tmp_path / "run", "tera")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(run: Training, tmp_path: Path) -> None:
    """One byte of a weight: torch would read it without a word."""
    options = (*TWELVE_UPDATES, "checkpoint.save_interval_updates=3")
    check(run.run(*options))
    whole = Training(run.data, Path(shutil.copytree(run.folder, tmp_path / "whole")), "tera")
    content = bytearray(run.checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    run.checkpoint.write_bytes(content)
    told = check(run.run(*options))
    assert f"`{run.checkpoint}` cannot be read as a checkpoint" in told.stdout
    assert "going on from" in told.stdout
    assert [line["num_updates"] for line in run.logged("train_inner")[-6:]] == [10, 11, 12] * 2
    assert_same_end(run, whole)


def test_a_run_that_diverges_stops_with_a_checkpoint(run: Training) -> None:
    """Its last model is that of the last good update, and what was computed in vain is charged."""
    told = run.run(*TWELVE_UPDATES, "optimization.lr=[1e30]", "task.max_bad_updates=3", "lr_scheduler.warmup_share=0")
    assert told.returncode == 1
    assert "training diverged at update 4: 3 updates in a row were skipped" in message(told.stderr)
    assert "First bad: " in told.stdout
    ledger = ledger_of(torch.load(run.checkpoint))
    assert ledger is not None
    assert (ledger["updates"], ledger["skipped_updates"]) == (4, 3)
    assert run.record["spent"]["flops"] == ledger["flops"]
    assert run.record["spent"]["skipped_updates"] == 3


def test_a_checkpoint_that_cannot_be_written(run: Training) -> None:
    """A limit on the size of files stands for a disk that is full: half of the checkpoint fits."""
    check(run.run(*TWELVE_UPDATES, "task.budget.updates=2"))
    half = run.checkpoint.stat().st_size // 2
    limited = ["python", "-c", LIMITED, str(half), str(conftest.BIN / "fairseq-hydra-train"), *run.command(*TWELVE_UPDATES)]
    told = warm(FAIRSEQ).run(limited, run.folder.parent)
    assert told.returncode == 1
    assert f"{run.checkpoint.parent}/" in message(told.stderr)
    assert "can't be written" in told.stderr
    ledger = ledger_of(torch.load(run.checkpoint))
    assert ledger is not None
    assert ledger["updates"] == run.record["spent"]["updates"] == 2
    assert not [path.name for path in run.checkpoint.parent.iterdir() if path.suffix == ".tmp" or path.name == "crash.pt"]
    check(run.run(*TWELVE_UPDATES))
    assert run.record["spent"]["updates"] == 12


@pytest.mark.slow
def test_a_second_process_is_refused(run: Training) -> None:
    with run.start(*TWELVE_UPDATES, "task.budget.updates=100000") as process:
        while process.poll() is None and run.updates_logged() < 1:
            time.sleep(0.05)
        told = run.run(*TWELVE_UPDATES)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert told.returncode == 1
    assert f"`{run.checkpoint.parent}` is in use by process {process.pid} on " in message(told.stderr)


def test_sets_of_other_names(corpus: Path, tmp_path: Path) -> None:
    """Every set's loss stands under its own name; the best checkpoint goes by the first, and the record says so."""
    data = tmp_path / "data"
    data.mkdir()
    for name, split in (("part", "train"), ("dev_a", "valid"), ("dev_b", "train")):
        shutil.copy(corpus / "data" / f"{split}.tsv", data / f"{name}.tsv")
    run = Training(data, tmp_path / "run", "tera")
    sets = ("dataset.train_subset=part", "dataset.valid_subset='dev_a,dev_b'")
    check(run.run("task.budget.flops=null", "task.budget.updates=2", *sets))
    metrics = run.record["metrics"]
    losses = {name: run.logged(name)[-1][f"{name}_loss"] for name in ("dev_a", "dev_b")}
    assert metrics["valid_losses"] == losses
    assert losses["dev_a"] != losses["dev_b"]
    assert (metrics["valid_set"], metrics["valid_loss"]) == ("dev_a", losses["dev_a"])
    assert metrics["best_valid"] == {"set": "dev_a", "loss": losses["dev_a"], "updates": 2}
    best = torch.load(run.checkpoint.with_name("checkpoint_best.pt"))
    assert best["extra_state"]["val_loss"] == losses["dev_a"]
    assert run.record["data"]["hours"] > 0
