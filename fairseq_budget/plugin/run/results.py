"""What a run measured: the loss on every validation set, under the set's name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fairseq import metrics


class Results:
    """The newest losses, and the best of the first set, which is the one that fairseq's `checkpoint_best.pt` goes by."""

    def __init__(self, sets: Sequence[str]) -> None:
        """`sets`: names in the order in which fairseq validates on them (`dataset.valid_subset`)."""
        self.sets = list(sets)
        self.train_loss: float | None = None
        self.losses: dict[str, float] = {}
        self.best: dict[str, Any] = {}
        self._validated = 0

    def begin(self) -> None:
        """A validation on every set begins."""
        self._validated = 0

    def enter(self, loss: float, updates: int) -> None:
        """The loss on the next set; fairseq doesn't tell which one it was."""
        name = self.sets[self._validated]
        self._validated += 1
        self.losses[name] = loss
        if name == self.sets[0] and loss <= self.best.get("loss", math.inf):
            self.best = {"set": name, "loss": loss, "updates": updates}

    def entries(self) -> dict[str, Any]:
        """For the record's metrics."""
        first = self.sets[0]
        entries: dict[str, Any] = {"train_loss": self.train_loss, "valid_loss": self.losses.get(first), "valid_set": first}
        return entries | {"valid_losses": dict(self.losses)} | ({"best_valid": dict(self.best)} if self.best else {})

    def state_dict(self) -> dict[str, Any]:
        """At each checkpoint, where fairseq's average of the epoch's training loss is noted, too."""
        with suppress(KeyError):  # nothing is logged yet
            self.train_loss = metrics.get_smoothed_value("train", "loss")
        return {"train_loss": self.train_loss, "losses": dict(self.losses), "best": dict(self.best)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.train_loss, self.losses, self.best = state["train_loss"], dict(state["losses"]), dict(state["best"])
