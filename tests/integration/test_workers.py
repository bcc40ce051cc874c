"""Two CPU workers under torchrun with gloo are one worker that accumulates two steps."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil
import pytest
import torch
from torch import Tensor

from fairseq_budget.objectives import OBJECTIVES
from tests.common import assert_close
from tests.integration.conftest import BIN, Training, check, with_bin

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def pair(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, Training]:
    """The same three updates, alone and together; the checkpoint of the first one is kept."""
    folder = tmp_path_factory.mktemp("workers")
    options = (
        "budget=custom",
        "task.budget.updates=3",
        "checkpoint.save_interval_updates=1",
        "checkpoint.keep_interval_updates=-1",
    )
    # HuBERT: wav2vec 2.0's hard choice of codewords may fall differently where sums are rounded differently
    alone, together = (Training(corpus / "data", folder / name, "hubert") for name in ("alone", "together"))
    check(alone.run(*options, OMP_NUM_THREADS="1"))
    check(together.torchrun(2, *options, "device=cpu_torchrun"))
    return alone, together


def test_the_ledgers_are_equal(pair: tuple[Training, Training]) -> None:
    spent = [run.record["spent"] for run in pair]
    for name in ("flops", "hardware_flops", "samples", "unique_samples", "updates", "skipped_updates"):
        assert spent[0][name] == spent[1][name], name


def test_the_gradients_are_equal(pair: tuple[Training, Training]) -> None:
    """Masks, dropout and crops depend on the batch.  Adam's first moment after one update is a tenth of the gradient."""
    alone, together = (first_moments(run) for run in pair)
    assert len(alone) == len(together) > 20
    for mine, theirs in zip(alone, together, strict=True):
        assert_close(theirs, mine)
    assert max(float(moment.abs().max()) for moment in alone) > 1e-3, "there is something to compare"


def first_moments(run: Training) -> list[Tensor]:
    states = torch.load(run.checkpoint.with_name("checkpoint_1_1.pt"))["last_optimizer_state"]["state"]
    return [state["exp_avg"] for _, state in sorted(states.items())]


def test_the_losses_are_equal(pair: tuple[Training, Training]) -> None:
    for mine, theirs in zip(pair[0].logged("train_inner"), unique(pair[1].logged("train_inner")), strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], rel=1e-3)
        assert theirs["gnorm"] == pytest.approx(mine["gnorm"], rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradients_that_are_sent_while_others_are_computed_are_the_same(
    corpus: Path, tmp_path: Path, objective: str
) -> None:
    """torch's DistributedDataParallel, over two steps that are accumulated, beside fairseq's that waits for all."""
    options = ("budget=custom", "task.budget.updates=2", "checkpoint.save_interval_updates=1", "device=cpu_torchrun")
    options += ("checkpoint.keep_interval_updates=-1", "model.encoder_layerdrop=0", "optimization.update_freq=[2]")
    runs = [Training(corpus / "data", tmp_path / backend, objective) for backend in ("legacy_ddp", "pytorch_ddp")]
    for run in runs:
        check(run.torchrun(2, *options, f"distributed_training.ddp_backend={run.folder.name}"))
    for waiting, overlapping in zip(*map(first_moments, runs), strict=True):
        assert_close(overlapping, waiting)


@pytest.mark.slow
def test_a_rank_that_hangs_ends_the_job(corpus: Path, tmp_path: Path) -> None:
    """Rank 1 is stopped; rank 0 waits for it in their next sum, shows where, and ends what torchrun then ends."""
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    overrides = ("budget=custom", "task.budget.updates=100000", "task.stall_minutes=0.25", "device=cpu_torchrun")
    launcher = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2", str(BIN / "fairseq-hydra-train")]
    environment = with_bin({"OMP_NUM_THREADS": "1"})
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen(
            [*launcher, *run.command(*overrides)], env=environment, cwd=tmp_path, stdout=errors, stderr=errors
        ) as process,
    ):
        run.wait_for_log(process, '"num_updates": "3"')
        (stopped,) = (child for child in psutil.Process(process.pid).children() if child.environ().get("RANK") == "1")
        stopped.send_signal(signal.SIGSTOP)
        assert process.wait(timeout=300) != 0
    told = (tmp_path / "errors").read_text()
    assert "Timeout (0:00:15)!" in told and "all_reduce" in told
    assert not stopped.is_running()


def unique(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    """Both workers write to the same log."""
    return list({line["num_updates"]: line for line in lines}.values())
