"""The budget of this process's run: one ledger that the run charges and the schedule reads.

fairseq builds the task and the learning-rate schedule separately and shows neither to the other, so they meet here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.ledger import Cost, Ledger
from fairseq_budget.errors import BudgetError


class Stateful(Protocol):
    """A part of a run that is saved in its checkpoints."""

    def state_dict(self) -> dict[str, Any]:
        """What can't be computed again."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what was saved."""


class BudgetState:
    """A budget, what is spent of it, and who wants to know after each charge."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.ledger = Ledger()
        self.listeners: list[Callable[[], None]] = []
        self.parts: dict[str, Stateful] = {"ledger": self.ledger}
        """What is saved in a checkpoint, by the name that it has there."""
        self.inherits = False
        """Whether the checkpoint that is read is another run's: of that one, only what it had spent is taken over."""

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, from 0; 1 or more at the end."""
        return self.budget.share(self.ledger)

    def charge(self, cost: Cost, ranks: int) -> None:
        """Enter one update and tell the listeners."""
        self.ledger.charge(cost, ranks)
        self._tell()

    def state_dict(self) -> dict[str, Any]:
        """The state of every part."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a checkpoint's state and tell the listeners; parts that it doesn't have stay as they are."""
        for name, part in self.parts.items():
            if name in state and (name == "ledger" or not self.inherits):
                part.load_state_dict(state[name])
        self._tell()

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()


_running: list[BudgetState] = []


def start(budget: Budget) -> BudgetState:
    """Begin a run in this process; a schedule that is built later reads this state."""
    _running[:] = [BudgetState(budget)]
    return _running[0]


def running() -> BudgetState:
    """The state of this process's run."""
    if not _running:
        raise BudgetError("a `budget_*` learning-rate schedule needs a `budget_*` task, whose budget it follows")
    return _running[0]
