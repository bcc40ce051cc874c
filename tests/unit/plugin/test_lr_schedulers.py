"""The schedules as fairseq drives them: after every charge to the ledger, and after a checkpoint was read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from omegaconf import OmegaConf

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.ledger import Cost
from fairseq_budget.plugin.config import PolynomialConfig, TriangularConfig
from fairseq_budget.plugin.errors import UserError
from fairseq_budget.plugin.lr_schedulers import BudgetPolynomialSchedule, BudgetTriangularSchedule
from fairseq_budget.plugin.run import state


def schedule(kind: Any, config: Any, updates: int) -> tuple[Any, state.BudgetState]:
    running = state.start(Budget({"updates": updates}))
    adam = OmegaConf.structured(FairseqAdamConfig(lr=[1.0], tpu=False, use_old_adam=True))
    optimizer = FairseqAdam(adam, [torch.nn.Parameter(torch.zeros(1))])
    return kind(OmegaConf.structured(config), optimizer), running


def rates(made: Any, running: state.BudgetState, count: int) -> list[float]:
    found = []
    for _ in range(count):
        found.append(made.optimizer.get_lr())
        running.charge(Cost(flops=1), 1)
    return found


def expected(update: int, total: int, warmup: int) -> float:
    return update / warmup if update < warmup else (total - update) / (total - warmup)


def test_a_warmup_of_so_many_updates() -> None:
    made, running = schedule(BudgetPolynomialSchedule, PolynomialConfig(warmup_updates=8, lr=[2.0]), 40)
    found = rates(made, running, 40)
    assert found == pytest.approx([2 * expected(update, 40, 8) for update in range(40)])
    assert made.optimizer.get_lr() == 0


@pytest.mark.parametrize("stop", [5, 8, 20])
@pytest.mark.parametrize("total", [40, 60])
def test_it_goes_on_from_a_checkpoint_on_a_larger_budget_too(stop: int, total: int) -> None:
    config = PolynomialConfig(warmup_updates=8, lr=[2.0])
    made, running = schedule(BudgetPolynomialSchedule, config, 40)
    rates(made, running, stop)
    saved = made.state_dict()
    again, resumed = schedule(BudgetPolynomialSchedule, config, total)
    again.load_state_dict(saved)
    found = rates(again, resumed, total - stop)
    assert found == pytest.approx([2 * expected(update, total, 8) for update in range(stop, total)])


def test_checkpoints_of_before_there_were_warmups_in_updates() -> None:
    made, running = schedule(BudgetPolynomialSchedule, PolynomialConfig(lr=[2.0]), 40)
    rates(made, running, 20)
    saved = {key: value for key, value in made.state_dict().items() if key != "warmed_up"}
    again, _ = schedule(BudgetPolynomialSchedule, PolynomialConfig(lr=[2.0]), 40)
    again.load_state_dict(saved)
    assert again.optimizer.get_lr() == made.optimizer.get_lr()


def test_triangles_of_so_many_updates_whatever_the_budget() -> None:
    """Vaessen and van Leeuwen: 25k updates up, 25k down; here 5 and 5."""
    config = TriangularConfig(cycle_updates=10, minimum=0.01, lr=[1.0])
    made, running = schedule(BudgetTriangularSchedule, config, 35)
    found = rates(made, running, 35)
    assert found[:11] == pytest.approx([0.01 + 0.99 * (1 - abs(update - 5) / 5) for update in range(11)])
    assert found[10:20] == pytest.approx(found[:10])


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        (BudgetPolynomialSchedule, PolynomialConfig(warmup_updates=0, lr=[1.0]), "`lr_scheduler.warmup_updates` must be"),
        (BudgetTriangularSchedule, TriangularConfig(cycle_updates=1, lr=[1.0]), "`lr_scheduler.cycle_updates` must be"),
    ],
)
def test_what_makes_no_schedule_is_refused(kind: Any, config: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        schedule(kind, config, 10)
