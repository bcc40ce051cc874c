"""The corpus that a run was begun with: one that changed between two starts is told, and stands in the record."""

from __future__ import annotations

import logging
from typing import Any

from fairseq_budget.data.manifest import Manifest

logger = logging.getLogger(__name__)


class CorpusWatch:
    """What each split's manifest lists.  Splits are noted when they are loaded: before a checkpoint is read, or after."""

    def __init__(self) -> None:
        self.now: dict[str, dict[str, Any]] = {}
        self.before: dict[str, dict[str, Any]] = {}
        self.changes: list[dict[str, Any]] = []
        """Of each change, the split, and what it listed before and since."""

    def note(self, split: str, manifest: Manifest) -> None:
        """A split is loaded."""
        self.now[split] = {"rows": manifest.digest, "utterances": len(manifest), "hours": manifest.hours}
        self._compare(split)

    def _compare(self, split: str) -> None:
        before, now = self.before.get(split), self.now.get(split)
        if before is None or now is None or before["rows"] == now["rows"]:
            return
        self.before[split] = now
        self.changes.append({"split": split, "before": before, "since": now})
        logger.warning(
            "`%s` lists %d utterances (%.2f h), other ones than the %d (%.2f h) that this run was trained on until now: it "
            "goes on with these, and its record says so",
            *(split, now["utterances"], now["hours"], before["utterances"], before["hours"]),
        )

    def entries(self) -> dict[str, Any]:
        """For the record."""
        digests = {split: told["rows"] for split, told in self.now.items()}
        return {"digests": digests} | ({"corpus_changes": self.changes} if self.changes else {})

    def state_dict(self) -> dict[str, Any]:
        """At each checkpoint."""
        return {"splits": {**self.before, **self.now}, "changes": self.changes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint tells."""
        self.before, self.changes = dict(state["splits"]), list(state["changes"])
        for split in self.now:
            self._compare(split)
