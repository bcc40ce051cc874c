"""The budget of this process's run: one ledger that the task charges and the schedule reads.

fairseq builds the task and the learning-rate schedule separately and shows neither to the other, so they meet here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.ledger import Cost, Ledger
from fairseq_budget.errors import BudgetError


class Clock:
    """A budget, what is spent of it, and who wants to know after each charge."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.ledger = Ledger()
        self.listeners: list[Callable[[], None]] = []
        self.companions: dict[str, Any] = {}
        """What is saved in a checkpoint and restored together with the ledger (`state_dict` and `load_state_dict`)."""

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, from 0; 1 or more at the end."""
        return self.budget.share(self.ledger)

    def charge(self, cost: Cost, workers: int) -> None:
        """Enter one update and tell the listeners."""
        self.ledger.charge(cost, workers)
        self._tell()

    def restore(self, state: dict[str, int | float]) -> None:
        """Take over a checkpoint's ledger and tell the listeners."""
        self.ledger.load_state_dict(state)
        self._tell()

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()


_running: list[Clock] = []


def start(budget: Budget) -> Clock:
    """Begin a run in this process; a schedule that is built later reads this clock."""
    _running[:] = [Clock(budget)]
    return _running[0]


def running() -> Clock:
    """The clock of this process's run."""
    if not _running:
        raise BudgetError("a `budget_*` learning-rate schedule needs a `budget_*` task: its clock is the task's budget")
    return _running[0]
