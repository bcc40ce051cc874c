"""The picture of one metric: the study's own points above, the published ones below on another ground."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fairseq_budget.records.names import objective_name
from fairseq_budget.report.looks import NO_SIZE, PAPER_GREY, STYLE, series_line
from fairseq_budget.report.noise import axis_limits, pooled_deviation
from fairseq_budget.report.plots import spread
from fairseq_budget.report.studies.points import PERCENT, Found, StudyPoint, column, is_loss
from fairseq_budget.studies.study import Axis, Published, Study

PANEL_WIDTH, ROW_HEIGHT = 4.6, 3.7
TITLE_LETTERS = 9
"""Of a title that fit into an inch."""
NAME_LETTERS = 22
"""Of a curve's name, in a line."""
LETTER, LINE = 0.075, 0.16
"""Inches of a letter's width and of a line's height, in small print."""


@dataclass(frozen=True)
class StudyCurve:
    """A line: places, and a number or several at each."""

    name: str
    places: tuple[float, ...]
    numbers: tuple[tuple[float, ...], ...]


def own_curves(points: Sequence[StudyPoint], key: str) -> list[StudyCurve]:
    """One curve for each series, in order of appearance."""
    names = dict.fromkeys(point.series for point in points)
    return [_curve(name, [(p.x, p.values[key]) for p in points if p.series == name]) for name in names]


def published_curves(points: Sequence[Published], key: str) -> list[StudyCurve]:
    """The same of a paper's."""
    names = dict.fromkeys(point.series for point in points)
    return [_curve(name, [(p.x, (p.values[key],)) for p in points if p.series == name]) for name in names]


def _curve(name: str, points: Sequence[tuple[float, tuple[float, ...]]]) -> StudyCurve:
    points = sorted(points)
    return StudyCurve(name, tuple(x for x, _ in points), tuple(numbers for _, numbers in points))


def panels(key: str, own: Sequence[StudyPoint], published: Sequence[Published]) -> list[str | None]:
    """What has a panel of its own: of losses each objective, whose units differ; of scores all together (None)."""
    if not is_loss(key):
        return [None]
    return list(dict.fromkeys([point.objective for point in own] + [point.objective for point in published]))


@matplotlib.rc_context(STYLE)
def metric_figure(study: Study, found: Found, key: str) -> Figure:
    """Needs a point of the study's own in the column."""
    own = found.having(key)
    theirs_key = study.counterparts.get(key, key)
    published = [point for point in study.published() if math.isfinite(point.values.get(theirs_key, math.nan))]
    columns = panels(key, own, published)
    rows = 2 if published else 1
    width, height = _panel_size(study.axis, [*(point.series for point in own), *(point.series for point in published)])
    figure = Figure(figsize=(max(7.0, width * len(columns)), height * rows + 0.5), layout="constrained")
    parts = [figure] if rows == 1 else list(figure.subfigures(2, 1, squeeze=False, hspace=0.04)[:, 0])
    parts[0].suptitle("This study", fontweight="bold")
    for place, objective in enumerate(columns):
        axes = parts[0].add_subplot(1, len(columns), place + 1)
        mine = [point for point in own if objective in (None, point.objective)]
        _panel(axes, study.axis, key, own_curves(mine, key), objective, _unit(mine, key))
    if rows == 2:
        parts[1].set_facecolor(PAPER_GREY)
        title = textwrap.fill(f"Published: {study.source}", round(TITLE_LETTERS * figure.get_figwidth()))
        parts[1].suptitle(title, fontweight="bold", fontsize=11)
        for place, objective in enumerate(columns):
            axes = parts[1].add_subplot(1, len(columns), place + 1)
            axes.set_facecolor(PAPER_GREY)
            theirs = [point for point in published if objective in (None, point.objective)]
            _panel(
                axes,
                study.axis,
                theirs_key,
                published_curves(theirs, theirs_key),
                objective,
                "paper's unit" if is_loss(key) else _percent(key),
            )
    return figure


def _panel_size(axis: Axis, series: Sequence[str]) -> tuple[float, float]:
    """Inches, with room for the curves' names on the right and for the places' below."""
    width = PANEL_WIDTH + LETTER * max(len(line) for name in series for line in _lines(name, NAME_LETTERS).split("\n"))
    places = [_lines(name, _place_letters(axis)) for name in axis.names.values()]
    return width, ROW_HEIGHT + LINE * max((name.count("\n") for name in places), default=0)


def _unit(points: Sequence[StudyPoint], key: str) -> str:
    return (
        " / ".join(sorted({str(r.loss_unit) for point in points for r in point.records})) if is_loss(key) else _percent(key)
    )


def _percent(key: str) -> str:
    return "%" if key in PERCENT else ""


def _panel(axes: Axes, axis: Axis, key: str, curves: Sequence[StudyCurve], objective: str | None, unit: str) -> None:
    if objective is not None:
        axes.set_title(objective_name(objective))
    if not curves:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color=NO_SIZE)
        axes.set_axis_off()
        return
    for number, curve in enumerate(curves):
        looks = series_line(number)
        means = [sum(numbers) / len(numbers) for numbers in curve.numbers]
        axes.plot(curve.places, means, **looks, markersize=7, label=curve.name)
        for x, numbers in zip(curve.places, curve.numbers, strict=True):
            if len(numbers) > 1:
                axes.plot([x] * len(numbers), numbers, "_", color=looks["color"], markersize=11)
    _vertical(axes, key, unit, [numbers for curve in curves for numbers in curve.numbers])
    _horizontal(axes, axis, sorted({x for curve in curves for x in curve.places}))
    _name_curves(axes, curves)


def _name_curves(axes: Axes, curves: Sequence[StudyCurve]) -> None:
    """Right of the axes, each in its curve's colour at the height of its end, names moved apart."""
    low, high = axes.get_ylim()
    names = [_lines(curve.name, NAME_LETTERS) for curve in curves]
    apart = 0.06 * (high - low) * max(name.count("\n") + 1 for name in names)
    ends = [sum(curve.numbers[-1]) / len(curve.numbers[-1]) for curve in curves]
    for place, (name, end) in enumerate(zip(names, spread(ends, apart), strict=True)):
        colour, across = series_line(place)["color"], axes.get_yaxis_transform()
        axes.text(1.02, end, name, transform=across, color=colour, fontsize=9, va="center")


def _lines(text: str, letters: int) -> str:
    """The text in lines of so many letters, three at most."""
    return "\n".join(textwrap.wrap(text, letters, max_lines=3, placeholder=" …"))


def _place_letters(axis: Axis) -> int:
    """Of a line below one of the axis' places, where they have names."""
    return max(6, round(11 * PANEL_WIDTH / max(len(axis.names), 1)))


def _vertical(axes: Axes, key: str, unit: str, seeds: Sequence[Sequence[float]]) -> None:
    known = column(key)
    axes.set_ylabel(f"{known.title} ({unit})" if unit else known.title)  # the arrow points to what is better
    axes.set_ylim(*axis_limits([number for numbers in seeds for number in numbers], pooled_deviation(seeds)))


def _horizontal(axes: Axes, axis: Axis, places: Sequence[float]) -> None:
    axes.set_xlabel(_lines(axis.title, TITLE_LETTERS * 5))
    axes.xaxis.set_minor_locator(NullLocator())
    if axis.names:
        axes.set_xlim(min(axis.names) - 0.5, max(axis.names) + 0.5)
        names = [_lines(name, _place_letters(axis)) for name in axis.names.values()]
        axes.set_xticks(list(axis.names), names, fontsize=9)
        return
    axes.set_xscale("log")
    if len(places) == 1:
        axes.set_xlim(places[0] / 2, places[0] * 2)
    axes.xaxis.set_major_locator(FixedLocator(_apart(places)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g}" if x < 1000 else f"{x:.0f}"))


def _apart(places: Sequence[float]) -> list[float]:
    """Places whose labels don't run into each other."""
    least = (places[-1] / places[0]) ** 0.09 if len(places) > 1 else 1.0
    kept: list[float] = []
    for place in places:
        if not kept or place >= kept[-1] * least:
            kept.append(place)
    return kept
