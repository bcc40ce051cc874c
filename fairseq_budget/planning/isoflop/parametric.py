"""Chinchilla's third approach: one surface through the runs of all budgets (Hoffmann et al. 2022, section 3.3).

``L(N, D) = E + A / N ** alpha + B / D ** beta`` for N parameters and D audio heard (repetitions count), fitted to
``log L`` with a Huber loss of width 1e-3.  For given exponents the other three are linear (variable projection, as
arXiv 2603.22339 recommends): a grid of exponents gives starts, the best of which are refined in all five.

At a budget of C FLOPs, ``D = C / f(N)``.  Where audio heard is recorded, f is the counted FLOPs of an hour, a parabola in
log-log through the runs (within 2.2% on the published sizes).  It isn't proportional to N: the convolutions cost the same
in every size, so that an hour costs 7 times fewer FLOPs per parameter in Large than in size 30.  Where audio heard isn't
recorded, ``f(N) = N``, which Chinchilla's ``C = 6 N D`` comes to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, least_squares, minimize_scalar, nnls

from fairseq_budget.data.progress import tracked
from fairseq_budget.planning.isoflop.intervals import Array, redrawn
from fairseq_budget.planning.isoflop.points import Point

COEFFICIENTS = 5
HUBER_WIDTH = 1e-3
EXPONENTS = (0.01, 4.0)
"""Least and most that either exponent may be."""
SEARCHED = 4.0
"""An optimum is looked for up to this factor beyond the grid."""
_STARTS = 6
_STEPS = 16  # exponents tried in each direction


@dataclass(frozen=True)
class Runs:
    """Logarithms of sizes, FLOPs and values, and of audio heard where all runs recorded it.  Shape of each: (R,)."""

    params: Array
    flops: Array
    values: Array
    hours_heard: Array | None

    @classmethod
    def of(cls, points: Sequence[Point]) -> Runs:
        hours = [point.hours_heard for point in points if point.hours_heard is not None]
        return cls(
            np.log([point.params for point in points]),
            np.log([point.flops for point in points]),
            np.log([point.value for point in points]),
            np.log(hours) if len(hours) == len(points) else None,
        )

    @property
    def audio(self) -> Array:
        """log D of each run."""
        return self.flops - self.params if self.hours_heard is None else self.hours_heard

    def cost(self, params: Any) -> Any:
        """log f: FLOPs of one unit of D, at log sizes (a number or an array of them)."""
        return params if self.hours_heard is None else np.polyval(self._cost_curve, params)

    @cached_property
    def _cost_curve(self) -> Array:
        return np.polyfit(self.params, self.flops - self.audio, 2)


@dataclass(frozen=True)
class Surface:
    """A fit: logarithms of E and of the two terms at the runs' mean log size and mean log audio, and the exponents."""

    runs: Runs
    theta: tuple[float, float, float, float, float]

    @property
    def coefficients(self) -> dict[str, float]:
        """E, A, B, alpha and beta, for N in parameters and D in hours heard (or in FLOPs per parameter)."""
        e, a, b, alpha, beta = self.theta
        size, audio = self.runs.params.mean(), self.runs.audio.mean()
        return {
            "E": math.exp(e),
            "A": math.exp(a + alpha * size),
            "B": math.exp(b + beta * audio),
            "alpha": alpha,
            "beta": beta,
        }

    def at_budget(self, flops: float, params: Array) -> Array:
        """Values at sizes for a budget, elementwise."""
        x = np.log(params)
        return np.exp(_log_value(self.theta, *_centred(self.runs, x, math.log(flops) - self.runs.cost(x))))

    def optimum(self, flops: float) -> float:
        """Log of the best size for a budget; NaN if there is none within reach of the grid."""
        low, high = self.runs.params.min() - math.log(SEARCHED), self.runs.params.max() + math.log(SEARCHED)
        found = minimize_scalar(
            lambda x: float(self.at_budget(flops, np.exp(x))), bounds=(low, high), method="bounded", options={"xatol": 1e-7}
        )
        return float(found.x) if low + 1e-4 < found.x < high - 1e-4 else math.nan


def fit_surface(points: Sequence[Point]) -> Surface | None:
    """The surface through all runs; None where they are too few to determine it and leave a residual.

    Shape: (R,) runs of any budgets.
    """
    if len(points) <= COEFFICIENTS:
        return None
    runs = Runs.of(points)
    fits = [_refine(runs, runs.values, start) for start in _starts(runs)]
    best = min(fits, key=lambda fit: fit.cost)
    return Surface(runs, tuple(best.x))


def resampled(surface: Surface, resamples: int, seed: int) -> list[Surface]:
    """The fit to redrawn residuals, each started from the fit to the runs."""
    runs = surface.runs
    fitted = _log_value(surface.theta, *_centred(runs, runs.params, runs.audio))
    draws = redrawn(runs.values - fitted, COEFFICIENTS, resamples, seed)
    fits = (_refine(runs, fitted + noise, surface.theta) for noise in tracked(draws, "parametric fit", resamples))
    return [replace(surface, theta=tuple(fit.x)) for fit in fits]


def _centred(runs: Runs, params: Array, audio: Array) -> tuple[Array, Array]:
    """Where E, A and B would span dozens of orders of magnitude, their terms at the runs' centre don't."""
    return params - runs.params.mean(), audio - runs.audio.mean()


def _terms(theta: Sequence[float] | Array, n: Array, d: Array) -> Array:
    """Logarithms of the three terms.  Shape: (R,), (R,) -> (3, R)."""
    e, a, b, alpha, beta = theta
    return np.stack(np.broadcast_arrays(e, a - alpha * n, b - beta * d))


def _log_value(theta: Sequence[float] | Array, n: Array, d: Array) -> Array:
    return np.logaddexp.reduce(_terms(theta, n, d), axis=0)


def _refine(runs: Runs, values: Array, start: Sequence[float] | Array) -> OptimizeResult:
    """All five coefficients by Huber loss of the log residuals."""
    n, d = _centred(runs, runs.params, runs.audio)

    def residuals(theta: Array) -> Array:
        return _log_value(theta, n, d) - values

    def jacobian(theta: Array) -> Array:
        terms = _terms(theta, n, d)
        shares = np.exp(terms - np.logaddexp.reduce(terms, axis=0))
        return np.stack([*shares, -n * shares[1], -d * shares[2]], axis=1)

    ceiling, floor = values.max() + 1, values.min() - 12
    low, high = [floor] * 3 + [EXPONENTS[0]] * 2, [ceiling] * 3 + [EXPONENTS[1]] * 2
    inside = np.clip(start, np.add(low, 1e-6), np.subtract(high, 1e-6))
    return least_squares(
        residuals,
        inside,
        jacobian,
        bounds=(low, high),
        loss="huber",
        f_scale=HUBER_WIDTH,
        ftol=1e-10,
        xtol=1e-10,
        gtol=1e-12,
    )


def _starts(runs: Runs) -> list[Array]:
    """Best E, A and B (non-negative, relative least squares) for a grid of exponents; the best few of them."""
    n, d = _centred(runs, runs.params, runs.audio)
    weights = np.exp(-runs.values)
    exponents = np.geomspace(0.03, 2.0, _STEPS)
    scored = []
    for alpha in exponents:
        for beta in exponents:
            columns = np.stack([np.ones_like(n), np.exp(-alpha * n), np.exp(-beta * d)], axis=1)
            linear, norm = nnls(columns * weights[:, None], np.ones_like(n))
            scored.append((norm, np.array([*np.log(np.maximum(linear, 1e-9)), alpha, beta])))
    return [start for _, start in sorted(scored, key=lambda pair: pair[0])[:_STARTS]]
