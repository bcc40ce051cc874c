"""Two CPU workers under torchrun with gloo are one worker that accumulates two steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.common import assert_close
from tests.integration.conftest import Training, check

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


def unique(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    """Both workers write to the same log."""
    return list({line["num_updates"]: line for line in lines}.values())
