"""Downstream runs that differ in nothing but their seeds, as one score."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from fairseq_budget.records.names import upstream_name
from fairseq_budget.report.noise import item_error
from fairseq_budget.report.runs import DownstreamRun


@dataclass(frozen=True)
class SeedScore:
    """An upstream on a task: its runs, one for each seed."""

    name: str
    """Of the upstream, as it is written in text."""
    runs: tuple[DownstreamRun, ...]

    @property
    def test(self) -> float:
        """Mean over seeds."""
        return statistics.fmean(run.test for run in self.runs)

    @property
    def dev(self) -> float:
        """Mean over seeds."""
        return statistics.fmean(run.dev for run in self.runs)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds; None of one."""
        return statistics.stdev(run.test for run in self.runs) if len(self.runs) > 1 else None

    @property
    def items(self) -> dict[str, float]:
        """By name, each test item's share of the score, means over seeds; empty where one doesn't tell."""
        shared = set.intersection(*(set(run.items) for run in self.runs))
        return {name: statistics.fmean(run.items[name] for run in self.runs) for name in sorted(shared)}

    @property
    def error(self) -> float | None:
        """Standard error of the mean: of seeds and of the choice of test items, as far as either is known."""
        return _together(self._seed_error, item_error(self.items))

    @property
    def _seed_error(self) -> float | None:
        return self.deviation and self.deviation / math.sqrt(len(self.runs))

    def chance(self, other: SeedScore) -> float | None:
        """Two standard errors of the difference from another score: what is less may be chance.  None: nothing is known."""
        error = _together(self._seed_error, other._seed_error, item_error(self.items, other.items))
        return None if error is None else 2 * error


def _together(*errors: float | None) -> float | None:
    """Independent standard errors as one; None where none is known."""
    known = [error for error in errors if error is not None]
    return math.hypot(*known) if known else None


def winning(found: Sequence[SeedScore]) -> SeedScore | None:
    """The score that is best by more than chance makes, among all; None where none is, or chance isn't known."""
    if len(found) < 2:
        return None
    best, second = ordered(found)[:2]
    chance = best.chance(second)
    return best if chance is not None and abs(best.test - second.test) > chance else None


def ordered(found: Sequence[SeedScore]) -> list[SeedScore]:
    """The best test score first."""
    return sorted(found, key=lambda score: score.test, reverse=found[0].runs[0].higher_is_better)


def scores(runs: Sequence[DownstreamRun]) -> list[SeedScore]:
    """In the order in which upstreams first occur.

    Runs are repetitions where checkpoints, steps and rates that were tried agree, too; which of several rates was best on
    dev may depend on the seed.
    """
    found: dict[tuple[str, str | None, float, tuple[float, ...], str], list[DownstreamRun]] = {}
    for run in runs:
        name = upstream_name(run.objective, run.size)
        found.setdefault((name, run.checkpoint, run.steps, run.tried or (run.lr,), str(run.incomplete)), []).append(run)
    return [SeedScore(key[0], tuple(own)) for key, own in found.items()]
