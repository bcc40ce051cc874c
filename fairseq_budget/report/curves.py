"""Losses against size at equal budget: one curve for each budget, one point for each size, seeds kept apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairseq_budget.arithmetic import numbers
from fairseq_budget.report.noise import pooled_deviation, two_errors
from fairseq_budget.report.runs import PretrainRun


@dataclass(frozen=True)
class CurvePoint:
    """A size on a budget: its runs differ in nothing but their seeds."""

    size: str
    percent: float
    params: int
    losses: tuple[float, ...]
    """Validation losses, one for each seed."""

    @property
    def loss(self) -> float:
        """Their mean."""
        return statistics.fmean(self.losses)


@dataclass(frozen=True)
class Curve:
    """What one objective's sizes came to on the same budget, by rising number of parameters."""

    budget: Mapping[str, float]
    frontend: str
    points: tuple[CurvePoint, ...]
    runs: tuple[PretrainRun, ...]

    @property
    def best(self) -> CurvePoint:
        """The lowest loss."""
        return min(self.points, key=lambda point: point.loss)

    def winner(self, deviation: float | None) -> CurvePoint | None:
        """The lowest loss, where it is lowest by more than seeds make; `deviation` is theirs, None where it isn't known."""
        if len(self.points) < 2 or deviation is None:
            return None
        best, second = sorted(self.points, key=lambda point: point.loss)[:2]
        return best if second.loss - best.loss > noise(best, second, deviation) else None

    @property
    def inside(self) -> bool:
        """Whether sizes on both sides of the best one are worse."""
        return self.points[0] is not self.best is not self.points[-1]


def curves(runs: Sequence[PretrainRun]) -> list[Curve]:
    """One objective's finished runs with a finite loss, the smallest budget first.

    Runs from another front end, or on another amount of data, are another curve.
    """
    groups: dict[Any, list[PretrainRun]] = {}
    for run in runs:
        if run.finished and math.isfinite(run.valid_loss):
            key = tuple(sorted(run.budget.items())), run.frontend, numbers.hours(run.data_hours)
            groups.setdefault(key, []).append(run)
    return [_curve(groups[key]) for key in sorted(groups)]


def seed_deviation(found: Sequence[Curve]) -> float | None:
    """Standard deviation of a loss over seeds, pooled over the points of all curves; None where no point has several."""
    return pooled_deviation(point.losses for curve in found for point in curve.points)


def noise(first: CurvePoint, second: CurvePoint, deviation: float) -> float:
    """What of the difference of two points may be chance."""
    return two_errors(first.losses, second.losses, deviation)


def _curve(runs: Sequence[PretrainRun]) -> Curve:
    sizes: dict[tuple[int, str], list[PretrainRun]] = {}
    for run in runs:
        sizes.setdefault((run.params, run.size), []).append(run)
    points = [
        CurvePoint(size, own[0].percent, params, tuple(run.valid_loss for run in own))
        for (params, size), own in sorted(sizes.items())
    ]
    return Curve(runs[0].budget, runs[0].frontend, tuple(points), tuple(runs))
