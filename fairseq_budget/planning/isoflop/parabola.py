"""Chinchilla's second approach: at one budget, a parabola in log(parameters) through the losses (Hoffmann et al. 2022,
section 3.2).

A parabola is what a smooth curve looks like near its minimum only.  Over a wide, lopsided or asymmetric grid its minimum is
off, even without noise (arXiv 2603.22339), which is why grids are checked and the parametric fit stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fairseq_budget.errors import BudgetError
from fairseq_budget.planning.choice import parabola_minimum
from fairseq_budget.planning.isoflop.intervals import Array, redrawn, size_interval
from fairseq_budget.planning.isoflop.points import Point

WIDEST_GRID = 30.0
"""Largest over smallest size from which on a parabola's bias is warned of."""
MIDDLE = (1 / 3, 2 / 3)
"""Where in the grid, in log size, an optimum counts as centred."""
FEW_SIZES = 5
COEFFICIENTS = 3


@dataclass(frozen=True)
class Parabola:
    """``value = floor + curvature * (log(params) - log(optimum)) ** 2`` at one budget, least squares."""

    optimum: float
    """Parameters at the minimum."""
    interval: tuple[float, float] | None
    """Of the optimum; None where the runs don't bound it."""
    floor: float
    curvature: float
    log_samples: Array
    """Log of the optimum in each resample, NaN where a resample has none; empty without a degree of freedom."""

    def __call__(self, params: Array) -> Array:
        """Values at sizes, elementwise."""
        return self.floor + self.curvature * (np.log(params) - math.log(self.optimum)) ** 2


def fit_parabola(runs: Sequence[Point], resamples: int, seed: int) -> Parabola:
    """The parabola through the runs of one budget.

    Raises:
        BudgetError: no optimum inside the grid, either by the runs themselves (the best one is at an end) or by the fit.
    """
    x, y = (np.array(values) for values in zip(*((math.log(run.params), run.value) for run in runs), strict=True))
    _check_bracketed(runs, x, y)
    centre = _minimum(x, y)
    if math.isnan(centre):
        raise _outside(runs, "smaller and larger", "the parabola opens downwards")
    if not x.min() <= centre <= x.max():
        raise _outside(runs, "larger" if centre > x.max() else "smaller", "the parabola's minimum lies beyond its sizes")
    # a least-squares parabola is also the least-squares line in its squared distance from its own minimum
    curvature, floor = np.polyfit((x - centre) ** 2, y, 1)
    fitted = floor + curvature * (x - centre) ** 2
    samples = np.empty(0)
    if len(runs) > COEFFICIENTS:
        draws = redrawn(y - fitted, COEFFICIENTS, resamples, seed)
        samples = np.array([_minimum(x, fitted + noise) for noise in draws])
    return Parabola(
        optimum=math.exp(centre),
        interval=size_interval(samples, x) if samples.size else None,
        floor=float(floor),
        curvature=float(curvature),
        log_samples=samples,
    )


def cautions(runs: Sequence[Point], fit: Parabola) -> Iterator[str]:
    """What keeps this budget's parabola from being trusted, a sentence each."""
    sizes = sorted({run.params for run in runs})
    width = sizes[-1] / sizes[0]
    place = math.log(fit.optimum / sizes[0]) / math.log(width)
    if len(sizes) < FEW_SIZES:
        yield f"only {len(sizes)} sizes: a parabola through fewer than {FEW_SIZES} says little; add some near the optimum"
    if not MIDDLE[0] <= place <= MIDDLE[1]:
        side = "larger" if place > MIDDLE[1] else "smaller"
        yield f"lopsided grid: the minimum lies {100 * place:.0f}% of the way from smallest to largest; add {side} sizes"
    if width > WIDEST_GRID:
        yield (
            f"wide grid: its sizes span a factor of {width:.0f}; above {WIDEST_GRID:.0f} a parabola's minimum is off even "
            "without noise (arXiv 2603.22339); compare the parametric fit, or leave out the sizes at the ends"
        )
    if len(runs) <= COEFFICIENTS:
        yield "no interval: three runs determine a parabola and leave nothing to judge it by"
    elif fit.interval is None:
        yield "no interval: the runs scatter too much to bound the optimum; add sizes or seeds"
    elif fit.interval[0] < sizes[0] or fit.interval[1] > sizes[-1]:
        yield "the interval of the optimum reaches beyond the grid; add sizes or seeds"


def _minimum(x: Array, y: Array) -> float:
    """NaN where the parabola opens downwards."""
    try:
        return parabola_minimum(x.tolist(), y.tolist())
    except BudgetError:
        return math.nan


def _check_bracketed(runs: Sequence[Point], x: Array, y: Array) -> None:
    """Refuse a curve that only falls or only rises: a parabola finds a minimum inside even of ``1 / N``."""
    sizes = np.unique(x)
    means = [float(y[x == size].mean()) for size in sizes]
    best = int(np.argmin(means))
    if best in (0, len(sizes) - 1):
        raise _outside(runs, "larger" if best else "smaller", f"the {'largest' if best else 'smallest'} size is the best")


def _outside(runs: Sequence[Point], side: str, reason: str) -> BudgetError:
    return BudgetError(
        f"no optimum inside the grid at {runs[0].flops:.3g} FLOPs: {reason}; add {side} sizes or leave this budget out"
    )
