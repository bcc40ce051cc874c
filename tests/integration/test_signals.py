"""Requests to stop, wherever the ranks were started and whenever they come: a checkpoint and exit code 0."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch

from fairseq_budget.checkpoints.run_state import ledger_of
from fairseq_budget.plugin.run.signals import SECOND_TIME
from tests.integration.conftest import Training, check, spawned
from tests.integration.test_resume import TO_INTERRUPT, assert_same_end

pytestmark = pytest.mark.integration


LONG_UPDATE = (
    "model.encoder_layers=24 model.encoder_embed_dim=768 model.encoder_ffn_embed_dim=3072 optimization.update_freq=[8]"
).split()


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Two spawned ranks that nothing interrupts."""
    training = Training(corpus / "data", tmp_path_factory.mktemp("whole") / "run", "hubert")
    check(training.run(*TO_INTERRUPT, *spawned(), OMP_NUM_THREADS="1"))
    return training


def stop_ranks(run: Training, number: signal.Signals) -> None:
    """Start two, and send the command that started them a signal: a checkpoint, and exit code 0."""
    assert run.run_and_signal(4, number, *TO_INTERRUPT, *spawned(), OMP_NUM_THREADS="1") == 0
    stopped = ledger_of(torch.load(run.checkpoint))
    assert stopped is not None
    assert 4 <= stopped["updates"] == run.record["spent"]["updates"] < 12


def test_ranks_of_one_command(corpus: Path, tmp_path: Path) -> None:
    stop_ranks(Training(corpus / "data", tmp_path / "run", "hubert"), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT], ids=lambda number: number.name
)
def test_ranks_of_one_command_end_alike(corpus: Path, tmp_path: Path, whole: Training, number: signal.Signals) -> None:
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    stop_ranks(run, number)
    check(run.run(*TO_INTERRUPT, *spawned(), OMP_NUM_THREADS="1"))
    assert_same_end(run, whole)


def test_control_c(corpus: Path, tmp_path: Path) -> None:
    """Once: a checkpoint.  The same command goes on; twice: at once."""
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    assert run.run_and_signal(3, signal.SIGINT, *TO_INTERRUPT) == 0
    assert run.record["spent"]["updates"] < 12
    assert run.checkpoint.is_file()


@pytest.mark.slow
def test_control_c_twice(corpus: Path, tmp_path: Path) -> None:
    """An update that takes several seconds on any machine doesn't keep the user who can't wait for it."""
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    with run.start(*TO_INTERRUPT, *LONG_UPDATE) as process:
        run.wait_for_log(process, "Start iterating over samples")
        process.send_signal(signal.SIGINT)
        run.wait_for_log(process, "SIGINT: the run stops after this update")
        time.sleep(SECOND_TIME)
        assert process.poll() is None, run.log
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    assert not run.checkpoint.exists()


def test_before_training_begins(corpus: Path, tmp_path: Path) -> None:
    """In the first seconds there is nothing to save, and nothing is lost."""
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    with run.start_cold(*TO_INTERRUPT) as process:
        run.wait_for_log(process, "")
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    assert "nothing is lost" in run.log or run.checkpoint.is_file()


@pytest.mark.slow
def test_a_multirun_in_joblibs_processes(corpus: Path, tmp_path: Path) -> None:
    """Both runs that are there stop with a checkpoint, and the third trains nothing."""
    study = Training(corpus / "data", tmp_path / "study", "tera")
    sweep = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={study.folder}"]
    runs = [Training(corpus / "data", study.folder / seed, "tera") for seed in "123"]
    study.folder.mkdir()
    many = ["task.budget.updates=100000", "common.seed=1,2,3", "hydra.sweep.subdir=${common.seed}", *sweep, "-m"]
    with study.start(*TO_INTERRUPT, *many, OMP_NUM_THREADS="1") as process:
        while process.poll() is None and min(run.updates_logged() for run in runs[:2]) < 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    assert all(run.checkpoint.is_file() and run.updates_logged() >= 2 for run in runs[:2])
    assert runs[2].updates_logged() == 0
