"""Checkpoints at equal shares of the budget, kept beside fairseq's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairseq_budget.files import link_or_copy


class KeptCheckpoints:
    """Knows when a share of the budget has passed, and keeps the checkpoint that is written then.

    Its name tells the amount: `checkpoint_at_6_updates.pt` is the first that had spent so much, whatever the budget was and
    became.  A file that stands is never written again.
    """

    def __init__(self, count: int, budget: Mapping[str, float]) -> None:
        """`budget`: amounts by currency."""
        self.count, self.budget = count, budget
        self.passed = 0
        self.due: str | None = None
        """The name of the checkpoint that the next save writes."""

    def pass_by(self, progress: float) -> bool:
        """Take note of the progress; whether another share has passed since the last time."""
        passed = self._shares(progress)
        if passed <= self.passed:
            return False
        self.passed, self.due = passed, self.name(passed)
        return True

    def resume(self, progress: float) -> None:
        """Go on at a progress whose shares passed before."""
        self.passed = self._shares(progress)

    def keep(self, path: Path) -> None:
        """Give the checkpoint of a passed share its lasting name: a second name of fairseq's file (a hard link), which costs
        no space of its own until fairseq deletes that one."""
        if self.due is None:
            return
        name, self.due = path.with_name(self.due), None
        if not name.exists():
            link_or_copy(path, name)

    def name(self, share: int) -> str:
        """File name of the checkpoint at a share: the amounts that are reached there."""
        amounts = (f"{amount * share / self.count:.6g}_{currency}" for currency, amount in sorted(self.budget.items()))
        return f"checkpoint_at_{'_or_'.join(amounts)}.pt".replace("e+", "e")

    def _shares(self, progress: float) -> int:
        return int(min(progress, 1.0) * self.count)

    def state_dict(self) -> dict[str, Any]:
        """A run that is killed between fairseq's save and ours has the name still to give."""
        return {"due": self.due}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.due = state["due"]
