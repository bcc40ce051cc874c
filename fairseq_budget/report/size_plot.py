"""The picture of what sizes came to at equal budget, a curve for each budget, and the published one."""

from __future__ import annotations

import statistics
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
from fairseq_budget.report.curves import Curve, CurvePoint, curves, seed_deviation
from fairseq_budget.report.looks import PANEL, PAPER_GREY, budget_colour, objective_marker, panel_style
from fairseq_budget.report.noise import axis_limits
from fairseq_budget.report.plots import draw_guessing, guessing_of, say, unit_of
from fairseq_budget.report.runs import PretrainRun

_PAPER_SIZES = (30, 50, 100, 200, 500, 1500)
_ROUND = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1500)
_MOST_TICKS = 7


def loss_against_size(objective: str, runs: Sequence[PretrainRun], width: float = PANEL[0]) -> Figure:
    """Validation loss of one objective's sizes at equal budget, a curve for each budget."""
    with matplotlib.rc_context(panel_style(width)):
        figure = Figure(layout="constrained")
        _our_sizes(figure.subplots(), objective, curves(runs))
    return figure


def published_curve(objective: str, width: float = PANEL[0]) -> Figure | None:
    """The paper's figure 2, on another ground; None for an objective that it hasn't."""
    rows = get_objective(objective).published_curve() if objective in OBJECTIVES else []
    if not rows:
        return None
    with matplotlib.rc_context(panel_style(width)):
        figure = Figure(layout="constrained", facecolor=PAPER_GREY)
        _paper_sizes(figure.subplots(), objective, rows)
    return figure


def _our_sizes(axes: Axes, objective: str, found: Sequence[Curve]) -> None:
    axes.set_title(f"{objective_name(objective)}, this study")
    if not found:
        say(axes, "no finished run to compare")
        return
    deviation = seed_deviation(found)
    for place, curve in enumerate(found):
        _curve(axes, objective, curve, budget_colour(place, len(found)), curve.winner(deviation))
    losses = [run.valid_loss for curve in found for run in curve.runs]
    level = guessing_of([run for curve in found for run in curve.runs])
    if level is not None:
        left, right = (min(abs(curve.points[end].loss - level) for curve in found) for end in (0, -1))
        draw_guessing(axes, level, at_right=left < right)  # where the curves leave it more room
        losses.append(level)
    axes.set_ylim(*axis_limits(losses, deviation))
    axes.set_ylabel(f"validation loss ↓ ({unit_of([run for curve in found for run in curve.runs])})")
    axes.set_xlabel("size, % of Slim's parameters")
    _percent_axis(axes, [point.percent for curve in found for point in curve.points], room=4.0)


def _curve(axes: Axes, objective: str, curve: Curve, colour: str, winner: CurvePoint | None) -> None:
    """Means as a line, each seed as a dash, the budget beside the last; filled: what is lowest by more than noise."""
    marker, losses = objective_marker(objective), [point.loss for point in curve.points]
    axes.plot([point.percent for point in curve.points], losses, color=colour, zorder=1)
    for place, point in enumerate(curve.points):
        face = colour if point is winner else "white"
        axes.plot(point.percent, point.loss, marker, color=colour, markerfacecolor=face, zorder=4)
        if len(point.losses) > 1:
            places = [point.percent] * len(point.losses)
            axes.plot(places, point.losses, "_", color=colour, zorder=3)
        axes.annotate(
            numbers.loss(point.loss),
            (point.percent, point.loss),
            xytext=label_place(losses, place),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize="x-small",
            color=colour,
        )
    last = curve.points[-1]
    axes.annotate(
        f"{show_amounts(curve.budget)}{'' if curve.frontend == DEFAULT else f', {curve.frontend}'}",
        (last.percent, last.loss),
        xytext=(9, 0),
        textcoords="offset points",
        va="center",
        fontsize="small",
        fontweight="bold",
        color=colour,
    )


def label_place(losses: Sequence[float], place: int) -> tuple[int, int]:
    """Points to the right and above, for a point's label: where the lines to its neighbours don't run through it."""
    left, here, right = losses[max(place - 1, 0)], losses[place], losses[min(place + 1, len(losses) - 1)]
    neighbours = [*losses[max(place - 1, 0) : place], *losses[place + 1 : place + 2]]
    away = -1 if neighbours and statistics.fmean(neighbours) > here else 1
    slope = (left < here < right) - (left > here > right)
    return -10 * away * slope, 14 * away


def _paper_sizes(axes: Axes, objective: str, rows: Sequence[published.Row]) -> None:
    axes.set_facecolor(PAPER_GREY)
    axes.set_title(f"{objective_name(objective)}, published")
    axes.plot(
        [row["percent_of_slim"] for row in rows],
        [row["valid_loss"] for row in rows],
        objective_marker(objective) + "--",
        color="#444444",
        markerfacecolor=PAPER_GREY,
    )
    axes.set_ylabel("validation loss ↓ (paper's unit)")
    axes.set_xlabel("size, % of Slim's parameters (1.33 EFLOP each)")
    _percent_axis(axes, [float(row["percent_of_slim"]) for row in rows])


def _percent_axis(axes: Axes, percents: Sequence[float], room: float = 1.0) -> None:
    """Logarithmic, with some air, and room for text on the right; ticks at round numbers or the published sizes'."""
    low, high = min(percents) / 1.8, max(percents) * 1.8 * room
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    inside = [percent for percent in (_PAPER_SIZES if low > 10 else _ROUND) if low <= percent <= high]
    axes.xaxis.set_major_locator(FixedLocator(inside[:: -(-len(inside) // _MOST_TICKS)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda percent, _: f"{percent:g}%"))
