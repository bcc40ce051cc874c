"""Whether a study's axis decides, whatever the series: how well one order fits all points, ours and the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np

from fairseq_budget.arithmetic.spearman import spearman
from fairseq_budget.report.studies.points import Found, column
from fairseq_budget.studies.study import Study

FEWEST = 5
"""Points: fewer are in order by chance too often (1 of 12 times for four)."""
Place = tuple[str, float, float]
"""What a point has in common with others, where it is on the axis, and its value."""


def over_all(study: Study, found: Found, key: str) -> Iterator[str]:
    """Spearman's correlation of the axis with a metric, for each kind of series of :attr:`Study.together`."""
    if study.together is None:
        return
    of, theirs = study.together, study.counterparts.get(key, key)
    own = [(of(point.series), point.x, point.mean(key) or 0.0) for point in found.having(key)]
    published = [(of(point.series), point.x, point.values[theirs]) for point in study.published() if theirs in point.values]
    for whose, shown, places in (("", key, own), ("Published, ", theirs, published if own else [])):
        metric = f"{column(shown).task} {column(shown).metric}"
        for name, told in _correlations(places):
            yield f"{whose}{name}, whatever the series: {metric} and {study.axis.title}: {told}."


def _correlations(places: Iterable[Place]) -> Iterator[tuple[str, str]]:
    for name, group in groupby(sorted(places), key=lambda place: place[0]):
        _, x, y = zip(*group, strict=True)
        found = spearman(np.array(x), np.array(y), 0) if len(x) >= FEWEST else None
        if found is not None:
            yield name, f"Spearman's rho {found[0]:+.2f} over {len(x)} points (p {found[1]:.2g})"
