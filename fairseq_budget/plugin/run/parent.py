"""The run that this one began from: which checkpoint, and which of the compute in the ledger is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.checkpoints.run_state import ledger_of
from fairseq_budget.checkpoints.safe_load import safe_load
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import sha256
from fairseq_budget.plugin.run.origin import Origin


class Parent:
    """What is known of the parent.  It is written down when the run begins, and stays as it is when the run goes on."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.adopted: Path | None = None
        self.told: dict[str, Any] = {}
        """Empty where a run began from scratch."""
        if origin.parent is not None and not origin.own:
            self.told = self._describe(origin.parent, origin.way)

    def adopt(self, checkpoint: Path, way: str) -> None:
        """The run begins from another one's weights alone, which the setting `way` names."""
        self.compare_with(checkpoint)
        self.told = self._describe(checkpoint, way)

    def compare_with(self, checkpoint: Path) -> None:
        """The run is to have begun from this one; it's compared when the run's own state is read."""
        self.adopted = checkpoint

    @staticmethod
    def _describe(checkpoint: Path, way: str) -> dict[str, Any]:
        return {
            "path": str(checkpoint.resolve()),
            "way": way,
            "sha256": sha256(checkpoint),
            "spent": ledger_of(safe_load(checkpoint)),
            "inherited": Ledger().state_dict(),
        }

    def inherit(self, ledger: Ledger) -> None:
        """The ledger was taken over from the parent: a budget counts what the parent spent, too."""
        if self.told and not self.origin.own:
            self.told["inherited"] = ledger.state_dict()

    @property
    def _setting(self) -> str:
        way = str(self.told["way"])
        return way if "." in way else f"checkpoint.{way}"

    def entries(self, ledger: Ledger) -> dict[str, Any]:
        """For the record: where the run began, what of its ledger was spent by the parent, and what by itself."""
        if not self.told:
            return {}
        inherited, total = self.told["inherited"], ledger.state_dict()
        return {"parent": {**self.told, "new": {name: total[name] - inherited.get(name, 0) for name in total}}}

    def state_dict(self) -> dict[str, Any]:
        return dict(self.told)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what was written down.

        Raises:
            BudgetError: the run began from another checkpoint than the one that is named now.
        """
        self.told = dict(state)
        named = self.origin.parent or self.adopted
        if self.told and named is not None and self.told["path"] != str(named.resolve()):
            if not named.is_file() or sha256(named) != self.told["sha256"]:
                raise BudgetError(
                    f"`{self._setting}` is `{named}`, but the run in this folder began from "
                    f"`{self.told['path']}`: name that one, or give another `hydra.run.dir`"
                )
