"""Whether the measures say what the tasks say: Spearman's correlation over the checkpoints that have both.

A correlation over few runs means little.  So each comes with its number of runs and a two-sided p-value from permutations:
all of them up to 7 runs, 9,999 random ones beyond.  p-values aren't corrected for how many correlations are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fairseq_budget.arithmetic.spearman import spearman
from fairseq_budget.diagnostics.ranks.look import ERRORS, MEASURES, Look
from fairseq_budget.errors import BudgetError
from fairseq_budget.published.columns import COLUMNS
from fairseq_budget.records.results import Result, read_results

FEWEST = 3
OVER = ("mean", "last")
"""What stands for a checkpoint: a measure's mean over its hidden states, or that of its last one."""


@dataclass(frozen=True)
class Correlation:
    """Of a measure with a metric, both turned so that more is better; `rho` and `p` are None where one never changes."""

    measure: str
    over: str
    metric: str
    runs: int
    rho: float | None
    p: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def correlations(looks: Sequence[Look], folders: Sequence[Path], seed: int) -> list[Correlation]:
    """Every measure with every metric that at least three checkpoints have, from the records below `folders`.

    A record counts for the checkpoint whose path it names.

    Raises:
        BudgetError: no metric has three checkpoints.
    """
    by_checkpoint = _scores(looks, read_results(folders))
    found = [
        _correlation(measure, over, metric, pairs, seed)
        for measure in MEASURES
        for over in OVER
        for metric in COLUMNS
        if len(pairs := list(_pairs(looks, by_checkpoint, measure, over, metric))) >= FEWEST
    ]
    if not found:
        most = max((len([1 for scores in by_checkpoint.values() if key in scores]) for key in COLUMNS), default=0)
        names = ", ".join(f"`{folder}`" for folder in folders)
        raise BudgetError(
            f"a correlation needs {FEWEST} checkpoints with a score on the same task, but the records in {names} have one "
            f"for {most} of those named: name more checkpoints, or run more tasks"
        )
    return found


def _scores(looks: Sequence[Look], results: Sequence[Result]) -> dict[Path, dict[str, float]]:
    """Values by column of each checkpoint, those of incomplete corpora left out.

    Raises:
        BudgetError: two results of one task, of which either could count.
    """
    wanted = {look.checkpoint.resolve() for look in looks}
    found: dict[Path, dict[str, float]] = {}
    for result in (result for result in results if not result.incomplete):
        path = None if result.checkpoint is None else Path(result.checkpoint).resolve()
        if path in wanted and path is not None:
            scores = found.setdefault(path, {})
            if scores.keys() & result.values.keys():
                raise BudgetError(f"two results of `{path}` on {result.task}, one in `{result.folder}`: name one folder")
            scores.update(result.values)
    return found


def _pairs(
    looks: Sequence[Look], scores: dict[Path, dict[str, float]], measure: str, over: str, metric: str
) -> Iterator[tuple[float, float]]:
    sign = (1 if COLUMNS[metric].higher_is_better else -1) * (-1 if measure in ERRORS else 1)
    for look in looks:
        value, score = look.summary(over, measure), scores.get(look.checkpoint.resolve(), {}).get(metric)
        if value is not None and score is not None:
            yield value, sign * score


def _correlation(measure: str, over: str, metric: str, pairs: list[tuple[float, float]], seed: int) -> Correlation:
    x, y = np.array(pairs).T
    rho, p = spearman(x, y, seed) or (None, None)
    return Correlation(measure, over, metric, len(pairs), rho, p)
