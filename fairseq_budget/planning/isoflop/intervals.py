"""Bootstrap of a fit: residuals are drawn anew, with the spread that a few of them leave uncertain."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
FARTHEST = 100.0
"""An interval that reaches this factor beyond the grid is no bound."""

Array = NDArray[np.float64]


def redrawn(residuals: Array, coefficients: int, resamples: int, seed: int) -> Array:
    """Residuals drawn with replacement, once for each resample.  Shape: (R,) -> (resamples, R).

    A fit with as many coefficients leaves ``f = R - coefficients`` degrees of freedom, and residuals that are too small.
    Each draw is therefore scaled by ``sqrt(R / chi2_f)`` with its own chi-squared number, so that the variance has the
    distribution ``sum(r ** 2) / chi2_f`` of a normal sample's; with a fixed scale, intervals from seven runs would be as
    narrow as if the noise were known.

    Raises:
        ValueError: no degree of freedom is left.
    """
    freedom = len(residuals) - coefficients
    if freedom < 1:
        raise ValueError(f"{len(residuals)} residuals of {coefficients} coefficients have no spread to draw from")
    rng = np.random.default_rng(seed)
    drawn = rng.choice(residuals, size=(resamples, len(residuals)))
    return drawn * np.sqrt(len(residuals) / rng.chisquare(freedom, size=(resamples, 1)))


def interval(samples: Array) -> tuple[float, float] | None:
    """Percentile interval of :data:`CONFIDENCE`; None if more samples are NaN (no minimum) than it leaves out at an end."""
    tail = (1 - CONFIDENCE) / 2
    if np.isnan(samples).mean() > tail:
        return None
    low, high = np.nanquantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def size_interval(log_samples: Array, log_grid: Array) -> tuple[float, float] | None:
    """Interval of parameters from samples of their logarithm; None if the runs don't bound it."""
    found, slack = interval(log_samples), math.log(FARTHEST)
    if found is None or found[0] < log_grid.min() - slack or found[1] > log_grid.max() + slack:
        return None
    return math.exp(found[0]), math.exp(found[1])
