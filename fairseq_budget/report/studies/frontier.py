"""What a study's scores cost, and the frontier: the best score that any amount of FLOPs bought."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from fairseq_budget.report.looks import STYLE, series_line
from fairseq_budget.report.studies.points import Found, StudyPoint, column

Bought = tuple[float, float, StudyPoint]
"""FLOPs in all, the mean score, and whose it is."""


def bought(found: Found, key: str) -> list[Bought]:
    """Every point with a score, cheapest first."""
    points = [(point.flops[key], point.mean(key), point) for point in found.having(key)]
    return sorted(((flops, score, point) for flops, score, point in points if score is not None), key=lambda one: one[0])


def frontier(points: Sequence[Bought], higher_is_better: bool) -> list[Bought]:
    """Those that nothing cheaper beats.  `points` are ordered by cost."""
    best: list[Bought] = []
    for one in points:
        if not best or (one[1] > best[-1][1] if higher_is_better else one[1] < best[-1][1]):
            best.append(one)
    return best


@matplotlib.rc_context(STYLE)
def frontier_figure(found: Found, key: str) -> Figure:
    """Score against FLOPs of training, labels and evaluation, with the frontier.  Needs a point with a score."""
    known, points = column(key), bought(found, key)
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for number, series in enumerate(dict.fromkeys(point.series for point in found.points)):
        own = [(flops, score) for flops, score, point in points if point.series == series]
        if own:
            looks = {**series_line(number), "linestyle": "none"}
            axes.plot(*zip(*own, strict=True), **looks, label=series)
    best = frontier(points, known.higher_is_better)
    axes.step([one[0] for one in best], [one[1] for one in best], where="post", color="#444", linewidth=1, label="frontier")
    axes.set_xscale("log")
    axes.set_xlabel("FLOPs of pre-training, labels, fine-tuning and evaluation")
    axes.set_ylabel(f"{known.title} (%)")
    axes.legend(fontsize=9, loc="best")
    return figure
