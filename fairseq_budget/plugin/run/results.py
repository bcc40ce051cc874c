"""What a run measured: the training loss, smoothed, and the loss on every validation set, under the set's name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fairseq_budget.arithmetic.smoothing import kept


class Results:
    """The newest losses, and the best of the first set, which is the one that fairseq's `checkpoint_best.pt` goes by."""

    def __init__(self, sets: Sequence[str]) -> None:
        """`sets`: names in the order in which fairseq validates on them (`dataset.valid_subset`)."""
        self.sets = list(sets)
        self.train_loss: float | None = None
        """Smoothed, as of the newest checkpoint."""
        self._smoothed: dict[str, Any] = {"total": 0.0, "weight": 0.0, "progress": 0.0}
        self.monitored: dict[str, Any] = {}
        """Newest averages of a training batch, such as perplexities, by name."""
        self.losses: dict[str, float] = {}
        self.best: dict[str, Any] = {}
        self._validated = 0

    def begin(self) -> None:
        """A validation on every set begins."""
        self._validated = 0

    def hear(self, loss: Any, progress: float) -> None:
        """The training loss of an update for each masked frame, a number or a tensor, which isn't waited for."""
        last = self._smoothed
        old = kept(progress - last["progress"])
        total, weight = old * last["total"] + loss, old * last["weight"] + 1
        self._smoothed = {"total": total, "weight": weight, "progress": progress}

    def smoothed_loss(self) -> float | None:
        """Of the newest updates; None before the first.  On a GPU this waits for it."""
        weight = float(self._smoothed["weight"])
        return float(self._smoothed["total"]) / weight if weight else None

    def monitor(self, averages: Mapping[str, Any]) -> None:
        """Averages of the newest update, numbers or tensors, which aren't waited for."""
        self.monitored |= averages

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
        monitored = {"monitored": {name: float(value) for name, value in self.monitored.items()}} if self.monitored else {}
        best = {"best_valid": dict(self.best)} if self.best else {}
        return entries | {"valid_losses": dict(self.losses)} | best | monitored

    def state_dict(self) -> dict[str, Any]:
        """At each checkpoint, where the smoothed training loss is noted."""
        smoothed = {name: float(value) for name, value in self._smoothed.items()}
        self.train_loss = self.smoothed_loss() if smoothed["weight"] else self.train_loss
        told = {"train_loss": self.train_loss, "losses": dict(self.losses), "best": dict(self.best)}
        return told | {"smoothed": smoothed, "monitored": {name: float(value) for name, value in self.monitored.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._smoothed = dict(state.get("smoothed", self._smoothed))
        self.monitored = dict(state.get("monitored", {}))
        self.train_loss, self.losses, self.best = state["train_loss"], dict(state["losses"]), dict(state["best"])
