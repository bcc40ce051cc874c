"""The page's pictures.  One colour a size, one marker an objective; losses of different objectives never share an axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from fairseq_budget.arithmetic import numbers
from fairseq_budget.records.names import objective_name, size_name
from fairseq_budget.report.looks import NO_SIZE, STYLE, objective_marker, size_colour
from fairseq_budget.report.runs import DownstreamRun, PretrainRun
from fairseq_budget.report.seeds import scores
from fairseq_budget.report.study import StudyRuns

PAGE_STYLE = STYLE | {"axes.titlesize": 13, "lines.linewidth": 1.8, "figure.constrained_layout.w_pad": 0.12}
_ON_COLOUR = {"va": "center", "fontsize": 11, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1.5}}
_FEW_POINTS = 30  # a curve of fewer training points shows each of them as a dot, a longer one is smoothed
_SMOOTHING = 0.1  # share of the curve that the moving average reaches over


@matplotlib.rc_context(PAGE_STYLE)
def loss_against_flops(study: StudyRuns) -> Figure:
    """One panel an objective: training loss as a line, validations as markers, over the FLOPs spent by then."""
    count = len(study.objectives)
    figure = Figure(figsize=(panels_width(count), 4.6), layout="constrained")
    for axes, objective in zip(figure.subplots(1, count, squeeze=False)[0], study.objectives, strict=True):
        _loss_panel(axes, objective, study.of_objective(objective))
    return figure


@matplotlib.rc_context(PAGE_STYLE)
def downstream_scores(runs: Sequence[DownstreamRun]) -> Figure:
    """One task: a bar for each upstream's test score, a diamond for its dev score, a line for each of several seeds."""
    found, metric, unit = scores(runs), runs[0].metric, runs[0].unit
    places = range(len(found), 0, -1)
    figure = Figure(figsize=(8.4, 1.3 + 0.42 * len(found)), layout="constrained")
    axes = figure.subplots()
    tests = [score.test if score.runs[0].scored else 0 for score in found]
    axes.barh(places, tests, height=0.66, color=[size_colour(score.runs[0].size) for score in found])
    axes.plot([score.dev for score in found], places, "kD", markerfacecolor="white")
    for place, score in zip(places, found, strict=True):
        if score.deviation is not None:
            axes.plot([run.test for run in score.runs], [place] * len(score.runs), "k|", markersize=14)
        text = numbers.score(score.test, unit)
        axes.annotate(text, (0, place), xytext=(7, 0), textcoords="offset points", **_ON_COLOUR)
    axes.set_yticks(places, [score.name for score in found])
    axes.grid(axis="y", visible=False)
    name = "accuracy" if metric == "acc" else metric
    seeds = "; lines: seeds" if any(score.deviation is not None for score in found) else ""
    axes.set_xlabel(f"test {name}{f' ({unit})' if unit else ''}; diamond: dev{seeds}")
    axes.set_xlim(left=0)
    return figure


def save(figure: Figure, path: Path) -> None:
    """PNG without the writer's name in it, so that the same study gives the same bytes."""
    figure.savefig(path, dpi=110, metadata={"Software": None})


def smoothed(losses: Sequence[float]) -> list[float]:
    """Exponential moving average over a tenth of the points; the first ones are averages of what there is."""
    return pd.Series(losses).ewm(span=max(1.0, _SMOOTHING * len(losses))).mean().tolist()


def _loss_panel(axes: Axes, objective: str, runs: Sequence[PretrainRun]) -> None:
    for run in runs:
        if run.history is None:
            continue
        colour, label = size_colour(run.size), f"{size_name(run.size)} ({numbers.params(run.params)})"
        train, valid = run.history.train, run.history.valid
        flops, losses = [p.flops for p in train], [p.loss for p in train]
        if len(train) < _FEW_POINTS:
            axes.plot(flops, losses, ".-", color=colour, label=label)
        else:
            axes.plot(flops, losses, color=colour, alpha=0.2, linewidth=1)
            axes.plot(flops, smoothed(losses), color=colour, label=label)
        axes.plot(
            [p.flops for p in valid],
            [p.loss for p in valid],
            objective_marker(objective),
            markersize=8,
            markerfacecolor="white",
            markeredgecolor=colour,
            markeredgewidth=1.8,
        )
    axes.set_title(objective_name(objective), fontweight="bold")
    axes.set_xlabel("FLOPs spent")
    axes.xaxis.set_major_formatter(EngFormatter(unit="FLOP"))
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlim(left=0)
    axes.set_ylabel(f"loss ({unit_of(runs)})")
    if axes.lines:
        axes.legend(fontsize=11, title="line: training (smoothed), marker: validation", title_fontsize=10)
    else:
        say(axes, "no training log")


def panels_width(panels: int) -> float:
    """Inches of a row of panels; a single panel is wider, as titles have to fit above it."""
    return max(7.0, 5.2 * panels)


def unit_of(runs: Sequence[PretrainRun]) -> str:
    """Of their losses."""
    return " / ".join(sorted({run.loss_unit for run in runs}))


def say(axes: Axes, text: str) -> None:
    """Text in the place of a picture that can't be drawn."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=NO_SIZE)
