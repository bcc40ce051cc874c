"""The task charges what was spent, also where fairseq drops an update."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fairseq import metrics
from fairseq.dataclass.configs import FairseqConfig
from omegaconf import OmegaConf

from fairseq_budget.arithmetic.flops import hardware_flops, training_flops
from fairseq_budget.plugin.config import BudgetConfig, PretrainingConfig
from fairseq_budget.plugin.criterion import BudgetPretrainingCriterion
from fairseq_budget.plugin.errors import UserError
from fairseq_budget.plugin.objectives import MODELS, TASKS
from fairseq_budget.plugin.tasks import BudgetTask
from tests.common import tiny_config, waves

SAMPLES = 16_000


def build_task(**budget: float) -> BudgetTask:
    cfg = OmegaConf.structured(FairseqConfig)
    OmegaConf.set_struct(cfg, False)
    cfg.common.cpu = True
    cfg.task = OmegaConf.structured(PretrainingConfig(data="nowhere", budget=BudgetConfig(**budget)))
    return TASKS["tera"](cfg.task)


@pytest.fixture
def task() -> BudgetTask:
    task = build_task(flops=1e15)
    task.network = MODELS["tera"](tiny_config("tera", encoder_layerdrop=0.0))
    task.criterion = BudgetPretrainingCriterion(task)
    task.datasets["train"] = SimpleNamespace(epoch=1)
    return task


@pytest.fixture
def step(task: BudgetTask, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One batch through the task as fairseq's trainer does it; the parameters stay as they are."""

    class Optimizer:
        def backward(self, loss: torch.Tensor) -> None:
            loss.backward()

    def run(update: int, utterances: int, new: int = 0, **options: Any) -> dict[str, Any]:
        sample = {
            "id": np.arange(utterances),
            "samples": np.full(utterances, SAMPLES),
            "new": np.full(utterances, new),
            "net_input": {"source": waves(utterances, SAMPLES)},
        }
        return task.train_step(sample, task.network, task.criterion, Optimizer(), update, **options)[2]

    return run


def cost(task: BudgetTask, utterances: int) -> int:
    return training_flops(task.network.model_shape, [SAMPLES]) * utterances


def charge(task: BudgetTask, *logged: dict[str, Any]) -> None:
    with metrics.aggregate(new_root=True):
        task.reduce_metrics(list(logged), task.criterion)


def test_accumulated_steps_are_one_update(task: BudgetTask, step: Any) -> None:
    task.criterion.train()
    charge(task, step(0, 2), step(0, 1))
    ledger = task.run.state.ledger
    assert (ledger.flops, ledger.samples, ledger.updates) == (cost(task, 3), 3 * SAMPLES, 1)


def test_skipped_layers_are_model_flops_but_not_hardware_flops(task: BudgetTask, step: Any) -> None:
    task.network.encoder.layerdrop = 1.0
    task.criterion.train()
    charge(task, step(0, 2))
    ledger, shape = task.run.state.ledger, task.network.model_shape
    assert ledger.flops == cost(task, 2)
    assert ledger.hardware_flops == hardware_flops(shape, [SAMPLES] * 2, layers_run=0) < cost(task, 2)


def test_an_update_that_overflowed_is_charged_with_the_next(task: BudgetTask, step: Any) -> None:
    task.criterion.train()
    step(0, 2)
    step(0, 1)
    assert task.run.state.ledger.flops == 0
    task.criterion.train()
    charge(task, step(0, 1))
    assert task.run.state.ledger.flops == cost(task, 4)
    task.criterion.train()
    charge(task, step(1, 1))
    assert task.run.state.ledger.flops == cost(task, 5), "once"


def test_updates_that_were_dropped_are_counted(task: BudgetTask, step: Any) -> None:
    for _ in range(3):
        task.criterion.train()
        logged = step(0, 1)
    charge(task, logged)
    assert (task.run.state.ledger.updates, task.run.state.ledger.skipped_updates) == (1, 2)


def test_what_is_heard_for_the_first_time_is_counted_by_itself(task: BudgetTask, step: Any) -> None:
    for new in (SAMPLES, 100, 0):
        task.criterion.train()
        charge(task, step(0, 2, new=new))
    assert (task.run.state.ledger.samples, task.run.state.ledger.unique_samples) == (6 * SAMPLES, 2 * SAMPLES + 200)


def test_a_dummy_batch_costs_nothing(task: BudgetTask, step: Any) -> None:
    """fairseq gives a worker without data a batch that others have, and ignores its gradient."""
    task.criterion.train()
    charge(task, step(0, 2, ignore_grad=True))
    assert task.run.state.ledger.flops == 0


def test_the_same_batch_has_the_same_masks_whatever_was_drawn_before(task: BudgetTask, step: Any) -> None:
    task.criterion.train()
    first = step(3, 2)["loss"]
    torch.rand(7)
    assert torch.equal(step(3, 2)["loss"], first)
    assert not torch.equal(step(4, 2)["loss"], first)


def test_the_run_ends_when_the_budget_is_spent(task: BudgetTask, step: Any) -> None:
    task.run.state.budget.amounts = {"updates": 2}
    optimization = task.root.optimization
    for update in range(2):
        assert optimization.max_update == 0
        task.criterion.train()
        charge(task, step(update, 1))
    assert optimization.max_update == 2


def test_a_restored_ledger_that_is_spent_keeps_the_run_from_starting(task: BudgetTask) -> None:
    task.run.state.budget.amounts = {"updates": 2}
    task.run.state.load_state_dict({"ledger": {**task.run.state.ledger.state_dict(), "updates": 2}})
    assert task.root.optimization.stop_min_lr == float("inf")
    assert task.root.optimization.max_update == 0


def test_no_budget_is_refused() -> None:
    with pytest.raises(UserError, match="a budget is needed"):
        build_task()
