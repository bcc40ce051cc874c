"""Pictures of training and of downstream scores.  One colour a size; losses of different objectives never share an axis."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import show_amounts
from fairseq_budget.arithmetic.smoothing import smoothed
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.records.names import objective_name, size_name
from fairseq_budget.report.looks import INK, NO_SIZE, PANEL, STYLE, objective_marker, panel_style, size_colour
from fairseq_budget.report.noise import axis_limits, pooled_deviation
from fairseq_budget.report.runs import DownstreamRun, PretrainRun
from fairseq_budget.report.seeds import scores
from fairseq_budget.report.train_log import LogPoint

_WHITE = {"facecolor": "white", "edgecolor": "none"}
_ON_COLOUR: dict[str, Any] = {"va": "center", "fontsize": "small", "bbox": {**_WHITE, "pad": 1.5}}
_FEW_POINTS = 30  # a curve of fewer training points shows each of them as a dot
_DESCENT = 0.1  # share of the budget whose losses, far above all later ones, don't set the axis
_ROOM = 1.38  # for names right of the curves
_NAME_LETTERS = 30  # of an upstream, in a line


@dataclass(frozen=True)
class CurvePanel:
    """Runs whose loss curves may be compared: of one objective and front end, on one budget and amount of data."""

    title: str
    runs: tuple[PretrainRun, ...]

    @property
    def objective(self) -> str:
        """Theirs."""
        return self.runs[0].objective


def curve_panels(runs: Sequence[PretrainRun]) -> list[CurvePanel]:
    """The panels of runs that have a log, in the order of the page, small budgets first."""
    groups: dict[tuple[str, str, str, str], list[PretrainRun]] = {}
    for run in sorted(runs, key=lambda run: sorted(run.budget.items())):
        if run.history is not None and (run.history.train or run.history.valid):
            frontend = "" if run.frontend == DEFAULT else f", {run.frontend}"
            key = run.objective, show_amounts(run.budget), frontend, numbers.hours(run.data_hours)
            groups.setdefault(key, []).append(run)
    order = list(dict.fromkeys(run.objective for run in runs))
    hours = {key[3] for key in groups}
    return [
        CurvePanel(
            f"{objective_name(key[0])}, {key[1]}{key[2]}" + (f", {key[3]} of speech" if len(hours) > 1 else ""),
            tuple(sorted(own, key=lambda run: run.params)),
        )
        for key, own in sorted(groups.items(), key=lambda group: order.index(group[0][0]))
    ]


def loss_against_flops(panel: CurvePanel, width: float = PANEL[0]) -> Figure:
    """The objective's own term over FLOPs: training as a line, smoothed as in the record; validations as markers."""
    with matplotlib.rc_context(panel_style(width)):
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        for run in panel.runs:
            _run_curves(axes, run)
        _loss_axis(axes, panel.runs)
        _name_curves(axes, panel.runs)
        axes.set_title(panel.title)
        axes.set_ylabel(f"loss ↓ ({unit_of(panel.runs)})")
    return figure


def penalties_against_flops(panel: CurvePanel, width: float = PANEL[0]) -> Figure | None:
    """The terms beside the objective's own, where any isn't zero: a line style for each."""
    names = list(dict.fromkeys(name for run in panel.runs for point in _logged(run) for name in point.penalties))
    used = [name for name in names if any(p.penalties.get(name) for run in panel.runs for p in _logged(run))]
    if not used:
        return None
    with matplotlib.rc_context(panel_style(width)):
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        for run in panel.runs:
            for name, line in zip(used, ("-", "--", ":", "-."), strict=False):
                found = [(p.flops, p.penalties[name]) for p in _logged(run) if name in p.penalties]
                axes.plot(*zip(*found, strict=True), line, color=size_colour(run.size))
        for name, line in zip(used, ("-", "--", ":", "-."), strict=False):
            axes.plot([], [], line, color=INK, label=name.removeprefix("loss_").replace("features_pen", "features penalty"))
        axes.legend(fontsize="small")
        _flops_axis(axes)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{panel.title}: penalties")
        axes.set_ylabel(f"part of the loss ({unit_of(panel.runs)})")
    return figure


def downstream_scores(runs: Sequence[DownstreamRun]) -> Figure:
    """One task: a bar for each upstream's test score with two standard errors, a diamond for dev, a line for each seed."""
    found, metric, unit = scores(runs), runs[0].metric, runs[0].unit
    names = [textwrap.fill(score.name, _NAME_LETTERS) for score in found]
    lines = [name.count("\n") + 1 for name in names]
    heights = [0.16 + 0.27 * count for count in lines]
    places = [-sum(heights[:row]) - heights[row] / 2 for row in range(len(found))]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 1.2 + sum(heights)), layout="constrained")
        axes = figure.subplots()
        tests = [score.test if score.runs[0].scored else 0 for score in found]
        axes.barh(places, tests, height=0.3, color=[size_colour(score.runs[0].size) for score in found])
        axes.plot([score.dev for score in found], places, "D", color=INK, markerfacecolor="white", zorder=4)
        for place, score in zip(places, found, strict=True):
            if score.error is not None and score.runs[0].scored:
                axes.errorbar(score.test, place, xerr=2 * score.error, color=INK, capsize=4, zorder=3)
            if score.deviation is not None:
                axes.plot([run.test for run in score.runs], [place] * len(score.runs), "|", color=INK, markersize=12)
            text = numbers.score(score.test, unit)
            axes.annotate(text, (0, place), xytext=(7, 0), textcoords="offset points", **_ON_COLOUR)
        axes.set_yticks(places, names)
        axes.grid(axis="y", visible=False)
        name = "accuracy" if metric == "acc" else metric
        seeds = "; lines: seeds" if any(score.deviation is not None for score in found) else ""
        bars = "; bar: 2 standard errors" if any(score.error is not None for score in found) else ""
        arrow = "↑" if runs[0].higher_is_better else "↓"
        axes.set_xlabel(f"test {name} {arrow}{f' ({unit})' if unit else ''}\ndiamond: dev{bars}{seeds}")
        axes.set_xlim(left=0)
    return figure


def spread(places: Sequence[float], least: float) -> list[float]:
    """The places, moved up just so far that neighbours are `least` apart; in the order in which they came."""
    moved: dict[int, float] = {}
    last = -math.inf
    for index in sorted(range(len(places)), key=lambda index: places[index]):
        last = moved[index] = max(places[index], last + least)
    return [moved[index] for index in range(len(places))]


def draw_guessing(axes: Axes, level: float, at_right: bool = False) -> None:
    """A line where who hears nothing would be, with its name at one end, behind what is measured."""
    axes.axhline(level, color=NO_SIZE, linestyle=":", zorder=0.8)
    across = axes.get_yaxis_transform()
    place, side = (0.99, "right") if at_right else (0.01, "left")
    look: dict[str, Any] = {"color": NO_SIZE, "fontsize": "small", "bbox": {**_WHITE, "pad": 1.0}}
    axes.text(place, level, "guessing", transform=across, ha=side, va="center", zorder=0.9, **look)


def guessing_of(runs: Sequence[PretrainRun]) -> float | None:
    """The level that all runs share, to four digits; None where it isn't known."""
    known = {f"{run.guessing:.4g}": run.guessing for run in runs if math.isfinite(run.guessing)}
    return next(iter(known.values())) if len(known) == 1 else None


def unit_of(runs: Sequence[PretrainRun]) -> str:
    """Of their losses."""
    return " / ".join(sorted({run.loss_unit for run in runs}))


def say(axes: Axes, text: str) -> None:
    """Text in the place of a picture that can't be drawn."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=NO_SIZE)


def _logged(run: PretrainRun) -> list[LogPoint]:
    """Training points, with FLOPs."""
    return [] if run.history is None else run.history.train


def _line(run: PretrainRun) -> tuple[list[float], list[float]]:
    """FLOPs, and training losses as they are smoothed for the record."""
    flops = [point.flops or 0.0 for point in _logged(run)]
    amount = run.spent["flops"]
    return flops, smoothed([one / amount for one in flops], [point.loss for point in _logged(run)])


def _run_curves(axes: Axes, run: PretrainRun) -> None:
    colour, (flops, line) = size_colour(run.size), _line(run)
    if len(flops) >= _FEW_POINTS:
        axes.plot(flops, [point.loss for point in _logged(run)], color=colour, alpha=0.2, linewidth=1)
    axes.plot(
        flops,
        line,
        ".-" if len(flops) < _FEW_POINTS else "-",
        color=colour,
        markersize=matplotlib.rcParams["lines.markersize"] / 2,
    )
    valid = run.history.valid if run.history is not None else []
    placed = [(point.flops, point.loss) for point in valid if point.flops is not None]
    axes.plot(
        [flops for flops, _ in placed],
        [loss for _, loss in placed],
        objective_marker(run.objective),
        markerfacecolor="white",
        markeredgecolor=colour,
        linestyle="none",
        zorder=3,
    )


def _loss_axis(axes: Axes, runs: Sequence[PretrainRun]) -> None:
    """From the lowest loss to guessing, or to what is left after the first descent; noise doesn't fill it."""
    level, shown = guessing_of(runs), list(_shown(runs))
    if level is not None:
        draw_guessing(axes, level)
        shown.append(level)
    ends: dict[tuple[str, int], list[float]] = {}
    for run in runs:
        if _logged(run):
            ends.setdefault((run.size, run.params), []).append(_line(run)[1][-1])
    axes.set_ylim(*axis_limits(shown, pooled_deviation(ends.values())))
    _flops_axis(axes)


def _shown(runs: Sequence[PretrainRun]) -> Iterator[float]:
    """Losses that have to be in the picture: the end of each run, and what comes after its first descent."""
    for run in runs:
        valid = run.history.valid if run.history is not None else []
        points = [*zip(*_line(run), strict=True), *((point.flops or 0.0, point.loss) for point in valid)]
        finite = [(flops, loss) for flops, loss in points if math.isfinite(loss)]
        later = [loss for flops, loss in finite if flops >= _DESCENT * run.spent["flops"]]
        yield from later or [loss for _, loss in finite]


def _flops_axis(axes: Axes) -> None:
    axes.set_xlabel("FLOPs spent")
    axes.xaxis.set_major_formatter(EngFormatter(unit="FLOP"))
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlim(left=0)


def _name_curves(axes: Axes, runs: Sequence[PretrainRun]) -> None:
    """Each size beside the end of its first run, in its colour, names moved apart."""
    ends: dict[tuple[str, int], tuple[float, float]] = {}
    for run in runs:
        if _logged(run):
            flops, line = _line(run)
            ends.setdefault((run.size, run.params), (flops[-1], line[-1]))
    if not ends:
        return
    last = max(flops for flops, _ in ends.values())
    axes.set_xlim(right=_ROOM * last)
    low, high = axes.get_ylim()
    heights = spread([min(max(loss, low), high) for _, loss in ends.values()], 0.062 * (high - low))
    for ((size, params), _), height in zip(ends.items(), heights, strict=True):
        text = f"{size_name(size)} ({numbers.params(params)})"
        axes.text(1.02 * last, height, text, color=size_colour(size), fontsize="small", va="center")
