"""How much of a difference seeds and test items make."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

RESAMPLES = 1000
_LEAST_SPAN = 12
"""Standard deviations over seeds that a loss axis reaches over at least: what two of them make fills a third of it."""
_LEAST_SHARE = 0.05
"""The same relative to the values, where no seeds tell."""
_AIR = 0.12


def pooled_deviation(points: Iterable[Sequence[float]]) -> float | None:
    """Standard deviation over seeds, pooled over every point that has several numbers; None where none has.

    Pooled: the root of the mean variance, weighted by degrees of freedom.
    """
    repeated = [numbers for numbers in points if len(numbers) > 1]
    if not repeated:
        return None
    squares = sum((len(numbers) - 1) * statistics.variance(numbers) for numbers in repeated)
    return math.sqrt(squares / sum(len(numbers) - 1 for numbers in repeated))


def two_errors(first: Sequence[float], second: Sequence[float], deviation: float) -> float:
    """Two standard errors of the difference of two means: what is less may be chance."""
    return 2 * deviation * math.sqrt(1 / len(first) + 1 / len(second))


def item_error(first: Mapping[str, float], second: Mapping[str, float] | None = None) -> float | None:
    """Standard error of a mean over test items, or of the difference of two over the items that both have: a bootstrap.

    Pairs of items are drawn together (Bisani and Ney 2004), so that an item that is hard for everyone makes no noise.
    None of less than two items.
    """
    names = sorted(first if second is None else first.keys() & second.keys())
    if len(names) < 2:
        return None
    values = np.array([first[name] - (0.0 if second is None else second[name]) for name in names])
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    return float(values[drawn].mean(axis=1).std())


def axis_limits(values: Sequence[float], deviation: float | None) -> tuple[float, float]:
    """Ends of an axis on which noise looks like noise; `deviation`: over seeds, None where it isn't known."""
    low, high = min(values), max(values)
    least = _LEAST_SPAN * deviation if deviation else _LEAST_SHARE * abs(high)
    missing = max(0.0, least - (high - low)) / 2
    air = _AIR * (high - low + 2 * missing)
    return low - missing - air, high + missing + air
