"""A run that is interrupted, by whatever, ends as if it had not been."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from fairseq_budget.checkpoints.run_state import ledger_of
from tests.common import assert_close
from tests.integration.conftest import WIDE, Training, check

pytestmark = pytest.mark.integration

TWELVE_UPDATES = ("task.budget.flops=null", "task.budget.updates=12")
TO_INTERRUPT = (*TWELVE_UPDATES, WIDE)
TIMES = ("device_seconds", "wall_seconds")


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A run that nothing interrupts."""
    training = Training(corpus / "data", tmp_path_factory.mktemp("whole") / "run", "hubert")
    check(training.run(*TO_INTERRUPT))
    return training


def assert_same_end(found: Training, expected: Training) -> None:
    """Crops, masks, LayerDrop, dropout, data order, ledger and schedule: parameters tell of all of them, bit by bit."""
    states = [torch.load(run.checkpoint) for run in (found, expected)]
    ledgers = [{k: v for k, v in ledger_of(state).items() if k not in TIMES} for state in states]
    assert ledgers[0] == ledgers[1]
    for name, weight in states[1]["model"].items():
        assert torch.equal(weight, states[0]["model"][name]), name


def test_killed(corpus: Path, tmp_path: Path, whole: Training) -> None:
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    options = (*TO_INTERRUPT, "checkpoint.save_interval_updates=1")
    run.run_and_signal(5, signal.SIGKILL, *options)
    assert run.record["spent"]["updates"] < 12
    check(run.run(*options))
    assert_same_end(run, whole)


@pytest.mark.parametrize(
    "number", [signal.SIGUSR1, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)], ids=lambda n: n.name
)
def test_asked_to_stop(corpus: Path, tmp_path: Path, whole: Training, number: signal.Signals) -> None:
    """As a cluster does it: a checkpoint, a clean exit, and another turn."""
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "asked"}\n')
    scontrol.chmod(0o755)
    cluster = {"SLURM_JOB_ID": "77", "SLURM_JOB_END_TIME": "0", "PATH": f"{scontrol.parent}{os.pathsep}{os.environ['PATH']}"}
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    assert run.run_and_signal(5, number, *TO_INTERRUPT, **cluster) == 0
    assert 5 <= run.record["spent"]["updates"] < 12
    assert run.logged("valid") == [], "a validation could outlast the time that is left"
    assert (tmp_path / "asked").read_text() == "requeue 77\n"
    check(run.run(*TO_INTERRUPT))
    assert_same_end(run, whole)


@pytest.mark.slow
def test_a_run_goes_on_with_adam_in_few_kernels(corpus: Path, tmp_path: Path, whole: Training) -> None:
    """As one does that was begun on a CPU, or by an earlier version, and goes on on a GPU."""
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    assert run.run_and_signal(5, signal.SIGUSR1, *TO_INTERRUPT) == 0
    check(run.run(*TO_INTERRUPT, "optimizer._name=budget_adam"))
    found, expected = (torch.load(training.checkpoint)["model"] for training in (run, whole))
    for name, weight in expected.items():
        assert_close(found[name], weight)


@pytest.mark.slow
def test_other_batches_and_more_workers(corpus: Path, tmp_path: Path) -> None:
    """fairseq allows both when a run continues; the ledger goes on from where it was and adds what is heard."""
    run = Training(corpus / "data", tmp_path / "run", "tera")
    options = ("budget=custom", "optimization.update_freq=[1]")
    check(run.run(*options, "dataset.max_tokens=16000", "task.budget.updates=3"))
    first = run.record["spent"]
    assert first["samples"] == 3 * 16_000
    check(run.run(*options, "dataset.max_tokens=32000", "task.budget.updates=5"))
    check(run.torchrun(2, *options, "dataset.max_tokens=32000", "task.budget.updates=7", "device=cpu_torchrun"))
    spent = run.record["spent"]
    assert spent["updates"] == 7
    assert spent["samples"] == 3 * 16_000 + 2 * 32_000 + 2 * 2 * 32_000
    assert spent["flops"] * first["samples"] == first["flops"] * spent["samples"], "crops are of one length here"
