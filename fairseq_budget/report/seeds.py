"""Downstream runs that differ in nothing but their seeds, as one score."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from fairseq_budget.records.names import upstream_name
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
