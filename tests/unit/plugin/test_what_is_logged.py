"""What is logged is what was computed: units, accuracy, masks of ranks and validations, kept checkpoints.

Each test fails under a change that every other test would let pass.
"""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fairseq import metrics

from fairseq_budget.arithmetic.ledger import Cost
from fairseq_budget.modules.masking import draw_mask
from fairseq_budget.objectives import get_objective
from fairseq_budget.plugin.criterion import BudgetPretrainingCriterion
from fairseq_budget.plugin.objectives import MODELS
from tests.common import assert_close, tiny_config, waves
from tests.unit.plugin.tiny_task import Optimizer, tiny_task

SAMPLES = 16_000


@pytest.fixture
def task() -> Any:
    return tiny_task(4, checkpoints=2)


def sample(*ids: int) -> dict[str, Any]:
    """The same audio under other numbers, as if another rank had drawn it."""
    source = waves(len(ids), SAMPLES)
    lengths = np.full(len(ids), SAMPLES)
    return {"id": np.array(ids), "samples": lengths, "new": 0 * lengths, "net_input": {"source": source}}


def trained(task: Any, update: int, *ids: int) -> dict[str, Any]:
    return task.train_step(sample(*ids), task.network, task.criterion, Optimizer(), update)[2]


def test_ranks_draw_masks_of_their_own(task: Any) -> None:
    """Two ranks in the same update have other utterances; the same masks for both would halve what is learned from."""
    first, second = trained(task, 3, 0, 1), trained(task, 3, 2, 3)
    assert not torch.equal(first["loss"], second["loss"])
    assert torch.equal(trained(task, 3, 0, 1)["loss"], first["loss"])


def test_every_validation_of_every_run_has_the_same_masks(task: Any) -> None:
    losses = []
    for drawn in (1, 7):
        task.cfg.seed = drawn
        torch.rand(drawn)
        losses.append(task.valid_step(sample(0, 1), task.network, task.criterion)[2]["loss"])
    assert torch.equal(*losses)


@pytest.mark.parametrize(("objective", "per_unit"), [("hubert", math.log(2)), ("wav2vec2", math.log(2)), ("tera", 1.0)])
def test_losses_are_logged_in_their_unit_and_accuracy_as_a_share(objective: str, per_unit: float) -> None:
    torch.manual_seed(0)
    network = MODELS[objective](tiny_config(objective)).eval()
    task = SimpleNamespace(objective=get_objective(objective), network=network, begin_update=lambda: None)
    criterion = BudgetPretrainingCriterion(task)
    batch = sample(0, 1)
    batch["net_input"]["mask"] = draw_mask([49, 49], 0.8, 10)
    if objective == "hubert":
        batch["net_input"]["target"] = torch.randint(4, 24, (2, 50))
    torch.manual_seed(1)
    total, frames, logged = criterion(network, batch)
    torch.manual_seed(1)
    loss = network(**batch["net_input"])
    with metrics.aggregate(new_root=True) as reduced:
        criterion.reduce_metrics([logged])
    assert_close(total, loss.total)
    assert reduced["loss"].avg == pytest.approx(float(loss.total.detach()) / frames / per_unit, rel=1e-4)
    if objective != "tera":
        assert reduced["accuracy"].avg == pytest.approx(int(loss.terms["correct"]) / frames, abs=1e-4)
        assert 0 <= reduced["accuracy"].avg <= 1


def test_a_checkpoint_of_a_share_is_kept_when_fairseq_has_written_it(task: Any, tmp_path: Path) -> None:
    """Through fairseq's own hook."""
    task.run.control.updates_done = 2
    for _ in range(2):
        task.run.state.charge(Cost(flops=1), ranks=1)
    written = tmp_path / "checkpoint_1_2.pt"
    written.write_bytes(b"weights")
    task.post_save(str(written), 2)
    assert (tmp_path / "checkpoint_at_2_updates.pt").read_bytes() == b"weights"
