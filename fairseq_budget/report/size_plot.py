"""The picture of what sizes came to at equal budget: a curve for each budget, the published ones below."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fairseq_budget import published
from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import show_amounts
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.objectives import OBJECTIVES, get_objective
from fairseq_budget.records.names import objective_name
from fairseq_budget.report.curves import Curve, curves
from fairseq_budget.report.looks import NO_SIZE, PAPER_GREY, budget_colour, objective_marker
from fairseq_budget.report.plots import PAGE_STYLE, panels_width, say, unit_of
from fairseq_budget.report.study import StudyRuns

_PAPER_SIZES = (30, 50, 100, 200, 500, 1500)
_ROUND = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1500)
_LEAST_RANGE = 0.05
"""Of a loss axis, relative to the loss: differences below it shall look as small as they are."""


@matplotlib.rc_context(PAGE_STYLE)
def loss_against_size(study: StudyRuns) -> Figure:
    """Upper row: this study's; lower row, on another ground: the paper's figure 2.  A column for each objective."""
    count = len(study.objectives)
    figure = Figure(figsize=(panels_width(count), 9.2), layout="constrained")
    ours, paper = figure.subfigures(2, 1, hspace=0.04, height_ratios=(1.15, 1))
    paper.set_facecolor(PAPER_GREY)
    ours.suptitle("This study: validation loss at equal budget", fontweight="bold")
    paper.suptitle(f"Published: LibriSpeech-960, 1.33 EFLOP a model\n({published.PAPER}, figure 2)", fontweight="bold")
    for column, objective in enumerate(study.objectives):
        found = curves(study.of_objective(objective))
        _our_sizes(ours.add_subplot(1, count, column + 1), objective, found)
        _paper_sizes(paper.add_subplot(1, count, column + 1), objective)
    return figure


def _our_sizes(axes: Axes, objective: str, found: Sequence[Curve]) -> None:
    axes.set_title(objective_name(objective))
    if not found:
        say(axes, "no finished run to compare")
        return
    for place, curve in enumerate(found):
        _curve(axes, objective, curve, budget_colour(place, len(found)))
    losses = [run.valid_loss for curve in found for run in curve.runs]
    _guessing(axes, found, losses)
    _loss_axis(axes, losses)
    axes.set_ylabel(f"validation loss ({unit_of([run for curve in found for run in curve.runs])})")
    axes.set_xlabel("size, % of Slim's parameters")
    _percent_axis(axes, [point.percent for curve in found for point in curve.points], room=4.0)


def _curve(axes: Axes, objective: str, curve: Curve, colour: str) -> None:
    """Means as a line, each seed as a dot, the lowest one filled, the budget beside the last."""
    marker, best = objective_marker(objective), curve.best
    axes.plot([p.percent for p in curve.points], [p.loss for p in curve.points], color=colour, zorder=1)
    for point in curve.points:
        face = colour if point is best else "white"
        axes.plot(point.percent, point.loss, marker, color=colour, markerfacecolor=face, markersize=9, zorder=4)
        if len(point.losses) > 1:
            places = [point.percent] * len(point.losses)
            axes.plot(places, point.losses, "_", color=colour, markersize=12, zorder=3)
        axes.annotate(
            numbers.loss(point.loss),
            (point.percent, point.loss),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            color=colour,
        )
    last = curve.points[-1]
    axes.annotate(
        f"{show_amounts(curve.budget)}{'' if curve.frontend == DEFAULT else f', {curve.frontend}'}",
        (last.percent, last.loss),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        fontsize=11,
        fontweight="bold",
        color=colour,
    )


def _guessing(axes: Axes, found: Sequence[Curve], losses: list[float]) -> None:
    """A line where who only knows how frequent each label is would be; it widens the axis."""
    known = {run.guessing for curve in found for run in curve.runs if math.isfinite(run.guessing)}
    if len(known) == 1:
        (level,) = known
        losses.append(level)
        axes.axhline(level, color=NO_SIZE, linestyle=":")
        axes.text(0.01, level, "guessing", transform=axes.get_yaxis_transform(), va="bottom", color=NO_SIZE, fontsize=10)


def _loss_axis(axes: Axes, losses: Sequence[float]) -> None:
    """No axis that turns noise into a trend."""
    low, high = min(losses), max(losses)
    missing = max(0.0, _LEAST_RANGE * abs(high) - (high - low)) / 2
    air = 0.14 * (high - low + 2 * missing)
    axes.set_ylim(low - missing - air, high + missing + air)


def _paper_sizes(axes: Axes, objective: str) -> None:
    axes.set_facecolor(PAPER_GREY)
    axes.set_title(f"{objective_name(objective)}, published")
    rows = get_objective(objective).published_curve() if objective in OBJECTIVES else []
    if not rows:
        say(axes, "not in the paper")
        return
    axes.plot(
        [row["percent_of_slim"] for row in rows],
        [row["valid_loss"] for row in rows],
        objective_marker(objective) + "--",
        color="#444444",
        markerfacecolor=PAPER_GREY,
        markersize=8,
    )
    axes.set_ylabel("validation loss (paper's unit)")
    axes.set_xlabel("size, % of Slim's parameters (1.33 EFLOP each)")
    _percent_axis(axes, [float(row["percent_of_slim"]) for row in rows])


def _percent_axis(axes: Axes, percents: Sequence[float], room: float = 1.0) -> None:
    """Logarithmic, with some air, and room for text on the right; ticks at round numbers or the published sizes'."""
    low, high = min(percents) / 1.8, max(percents) * 1.8 * room
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(_PAPER_SIZES if low > 10 else _ROUND))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda percent, _: f"{percent:g}%"))
