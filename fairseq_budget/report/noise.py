"""How much of a difference seeds make."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence


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
