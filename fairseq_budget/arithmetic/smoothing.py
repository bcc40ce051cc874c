"""How training losses are smoothed, in a run's record and in pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

SMOOTHING = 0.02
"""Share of the budget over which the training loss is averaged, exponentially: runs of few and of many updates compare."""


def kept(progress: float) -> float:
    """What older losses still weigh after a share of the budget."""
    return math.exp(-max(progress, 0.0) / SMOOTHING)


def smoothed(places: Sequence[float], losses: Sequence[float]) -> list[float]:
    """Losses at rising places, shares of the budget, each averaged with those before it."""
    total, weight, last, line = 0.0, 0.0, 0.0, []
    for place, loss in zip(places, losses, strict=True):
        old = kept(place - last)
        total, weight, last = old * total + loss, old * weight + 1, place
        line.append(total / weight)
    return line
