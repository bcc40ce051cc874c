"""Training that still has a loss, but no use: told early, so that what is left of the budget isn't spent on it.

Looked for at every hundredth update, at numbers that are logged anyway and the same on every rank; each look judges those
of the look before, which the device has long computed.

Limits are far from what good runs do.  In the curves that Vaessen and van Leeuwen released (wav2vec 2.0, batches of 87.5 s
to 80 min, 400k updates, a value each 100) the lowest perplexity of a codebook of 320 is 5.3, passed in the first thousands
of updates, and after its first 50,000 updates no run's accuracy, as a median of ten values, falls below 0.87 of its best.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import Any

from fairseq_budget.errors import ConfigError
from fairseq_budget.records.pretraining import FEWEST_CODEWORDS

EVERY = 100
"""Updates between two looks."""
IN_A_ROW = 3
"""Looks that must find the same."""
LEAST_ACCURACY = 0.05
"""Below it there is nothing to fall from: the plateau of guessing (1% of 100 distractors) may last 10,000 updates."""
FALLEN = 1 / 3
"""Of the best accuracy."""
MEDIAN_OF = 10
VANISHED = 1e-8
EXPLODED = 1e4
"""Of the median gradient norm so far."""
MODES = ("stop", "ignore")
ADVICE = {
    "codebook": "raise `model.diversity_weight`, or lower `optimization.lr`",
    "accuracy": "lower `optimization.lr`, or warm up for longer",
    "vanished": "raise `optimization.lr`, or shorten the warm-up: the model has stopped learning",
    "exploded": "lower `optimization.lr`, or set `optimization.clip_norm`",
}
PERPLEXITY = "prob_perplexity_"


class CollapseWatch:
    """Takes note of every hundredth update; `found` is the reason to stop, if there is one."""

    def __init__(self, mode: str) -> None:
        """Raises:
        ConfigError: an unknown mode of `task.on_collapse`.
        """
        if mode not in MODES:
            raise ConfigError(f"`task.on_collapse` must be one of {', '.join(MODES)}, but is `{mode}`")
        self.mode = mode
        self.found: str | None = None
        self.looks: dict[str, int] = {}
        """How often in a row each kind of collapse was seen."""
        self.best = 0.0
        """Highest accuracy, as a median of ten looks."""
        self.accuracies: deque[float] = deque(maxlen=MEDIAN_OF)
        self.norms: list[float] = []
        self._waiting: tuple[int, dict[str, Any]] | None = None

    def note(self, update: int, numbers: Mapping[str, Any]) -> None:
        """Numbers of an update: `accuracy`, `gnorm`, `prob_perplexity_1`, ...; tensors aren't waited for."""
        if self.mode == "ignore" or update % EVERY:
            return
        if self._waiting is not None:
            earlier, values = self._waiting
            self._judge(earlier, {name: float(value) for name, value in values.items()})
        self._waiting = update, dict(numbers)

    def _judge(self, update: int, numbers: Mapping[str, float]) -> None:
        seen = self._codebooks(numbers) | self._accuracy(numbers.get("accuracy")) | self._gradient(numbers.get("gnorm"))
        self.looks = {kind: self.looks.get(kind, 0) + 1 for kind in seen}
        for kind, what in seen.items():
            if self.looks[kind] >= IN_A_ROW:
                self.found = f"training has collapsed by update {update}: {what}.  To try: {ADVICE[kind]}"

    @staticmethod
    def _codebooks(numbers: Mapping[str, float]) -> dict[str, str]:
        for name, value in numbers.items():
            if name.startswith(PERPLEXITY) and value < FEWEST_CODEWORDS:
                book = name.removeprefix(PERPLEXITY)
                return {"codebook": f"the perplexity of codebook {book} is {value:.2f}, nearly always the same codeword"}
        return {}

    def _accuracy(self, accuracy: float | None) -> dict[str, str]:
        if accuracy is None or not math.isfinite(accuracy):
            return {}
        self.accuracies.append(accuracy)
        now = median(self.accuracies)
        if len(self.accuracies) == MEDIAN_OF:
            self.best = max(self.best, now)
        if self.best > LEAST_ACCURACY and now < FALLEN * self.best:
            return {"accuracy": f"its accuracy has fallen from {self.best:.1%} to {now:.1%}"}
        return {}

    def _gradient(self, norm: float | None) -> dict[str, str]:
        if norm is None or not math.isfinite(norm):
            return {}
        usual = median(self.norms) if len(self.norms) >= MEDIAN_OF else math.inf
        self.norms = [*self.norms[-10 * MEDIAN_OF :], norm]
        if norm < VANISHED:
            return {"vanished": f"the norm of its gradient is {norm:.1e}"}
        if norm > EXPLODED * usual:
            return {"exploded": f"the norm of its gradient is {norm:.1e}, usually {usual:.1e}"}
        return {}

    def state_dict(self) -> dict[str, Any]:
        """At each checkpoint."""
        return {"best": self.best, "accuracies": list(self.accuracies), "norms": list(self.norms)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.norms = float(state["best"]), list(state["norms"])
        self.accuracies = deque(state["accuracies"], maxlen=MEDIAN_OF)
