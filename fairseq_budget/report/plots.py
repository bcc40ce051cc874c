"""The page's pictures.  One colour a size, one marker an objective; losses of different objectives never share an axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, NullLocator

from fairseq_budget import published
from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import show_amounts
from fairseq_budget.objectives import OBJECTIVES, get_objective
from fairseq_budget.records.names import objective_name, size_name, upstream_name
from fairseq_budget.report.findings import comparable
from fairseq_budget.report.looks import NO_SIZE, STYLE, objective_marker, size_colour
from fairseq_budget.report.runs import DownstreamRun, PretrainRun
from fairseq_budget.report.study import Study

_STYLE = STYLE | {"axes.titlesize": 13, "lines.linewidth": 1.8, "figure.constrained_layout.w_pad": 0.12}
_PAPER_GREY = "#f3f0e8"
_ON_COLOUR = {"va": "center", "fontsize": 11, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1.5}}
_FEW_POINTS = 30  # a curve of fewer training points shows each of them as a dot, a longer one is smoothed
_SMOOTHING = 0.1  # share of the curve that the moving average reaches over


@matplotlib.rc_context(_STYLE)
def loss_against_flops(study: Study) -> Figure:
    """One panel an objective: training loss as a line, validations as markers, over the FLOPs spent by then."""
    count = len(study.objectives)
    figure = Figure(figsize=(_width(count), 4.6), layout="constrained")
    for axes, objective in zip(figure.subplots(1, count, squeeze=False)[0], study.objectives, strict=True):
        _loss_panel(axes, objective, study.of_objective(objective))
    return figure


@matplotlib.rc_context(_STYLE)
def loss_against_size(study: Study) -> Figure:
    """Upper row: this study at equal budget; lower row, on another ground: the paper's figure 2.  One column each."""
    count = len(study.objectives)
    figure = Figure(figsize=(_width(count), 8.8), layout="constrained")
    ours, paper = figure.subfigures(2, 1, hspace=0.04)
    paper.set_facecolor(_PAPER_GREY)
    ours.suptitle("This study: final validation loss at equal budget", fontweight="bold")
    paper.suptitle(f"Published: LibriSpeech-960, 1.33 EFLOP a model\n({published.PAPER}, figure 2)", fontweight="bold")
    for column, objective in enumerate(study.objectives):
        _our_sizes(ours.add_subplot(1, count, column + 1), objective, comparable(study.of_objective(objective)))
        _paper_sizes(paper.add_subplot(1, count, column + 1), objective)
    limits = _percent_limits(study.pretrain)
    for axes in (*ours.axes, *paper.axes):
        _percent_axis(axes, limits)
    return figure


@matplotlib.rc_context(_STYLE)
def downstream_scores(runs: Sequence[DownstreamRun]) -> Figure:
    """One task: a bar for each upstream's test score, a diamond for its dev score."""
    metric, unit = runs[0].metric, runs[0].unit
    places = range(len(runs), 0, -1)
    figure = Figure(figsize=(8.4, 1.3 + 0.42 * len(runs)), layout="constrained")
    axes = figure.subplots()
    tests = [run.test if run.scored else 0 for run in runs]
    axes.barh(places, tests, height=0.66, color=[size_colour(run.size) for run in runs])
    axes.plot([run.dev for run in runs], places, "kD", markerfacecolor="white")
    for place, run in zip(places, runs, strict=True):
        axes.annotate(numbers.score(run.test, unit), (0, place), xytext=(7, 0), textcoords="offset points", **_ON_COLOUR)
    axes.set_yticks(places, [upstream_name(run.objective, run.size) for run in runs])
    axes.grid(axis="y", visible=False)
    name = "accuracy" if metric == "acc" else metric
    axes.set_xlabel(f"test {name}{f' ({unit})' if unit else ''}; diamond: dev")
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
    axes.set_ylabel(f"loss ({_unit(runs)})")
    if axes.lines:
        axes.legend(fontsize=11, title="line: training (smoothed), marker: validation", title_fontsize=10)
    else:
        _say(axes, "no training log")


def _our_sizes(axes: Axes, objective: str, runs: Sequence[PretrainRun]) -> None:
    axes.set_title(objective_name(objective))
    if not runs:
        _say(axes, "no finished run to compare")
        return
    curve = _lowest_per_percent([(run.percent, run.valid_loss) for run in runs])
    axes.plot(*zip(*curve, strict=True), color="#999999", zorder=1)
    for run in runs:
        axes.plot(
            run.percent, run.valid_loss, objective_marker(objective), color=size_colour(run.size), markersize=10, zorder=4
        )
        axes.annotate(
            f"{size_name(run.size)}\n{numbers.loss(run.valid_loss)}",
            (run.percent, run.valid_loss),
            xytext=(0, -9) if _label_below(run, runs) else (0, 9),
            textcoords="offset points",
            ha="center",
            va="top" if _label_below(run, runs) else "bottom",
            fontsize=11,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.75},
            zorder=3,
        )
    axes.margins(y=0.28)
    axes.set_ylabel(f"validation loss ({_unit(runs)})")
    axes.set_xlabel(f"size, % of Slim's parameters ({show_amounts(runs[0].budget)} each)")


def _label_below(run: PretrainRun, runs: Sequence[PretrainRun]) -> bool:
    """Whether another size of the same percentage (Small and Slim) lies above and needs the room there."""
    return any(other.percent == run.percent and other.valid_loss > run.valid_loss for other in runs)


def _paper_sizes(axes: Axes, objective: str) -> None:
    axes.set_facecolor(_PAPER_GREY)
    axes.set_title(f"{objective_name(objective)}, published")
    rows = get_objective(objective).published_curve() if objective in OBJECTIVES else []
    if not rows:
        _say(axes, "not in the paper")
        return
    axes.plot(
        [row["percent_of_slim"] for row in rows],
        [row["valid_loss"] for row in rows],
        objective_marker(objective) + "--",
        color="#444444",
        markerfacecolor=_PAPER_GREY,
        markersize=8,
    )
    axes.set_ylabel("validation loss (paper's unit)")
    axes.set_xlabel("size, % of Slim's parameters (1.33 EFLOP each)")


def _lowest_per_percent(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """One point for each percentage, by rising percentage: Small and Slim both weigh 100%, and a curve can take one."""
    lowest: dict[float, float] = {}
    for percent, loss in points:
        lowest[percent] = min(loss, lowest.get(percent, loss))
    return sorted(lowest.items())


def _percent_limits(runs: Sequence[PretrainRun]) -> tuple[float, float]:
    """Common limits of both rows, with some air on the logarithmic axis."""
    percents = [*(float(row["percent_of_slim"]) for row in published.u_curve()), *(run.percent for run in runs)]
    return min(percents) / 1.7, max(percents) * 1.5


def _percent_axis(axes: Axes, limits: tuple[float, float]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(limits)
    axes.xaxis.set_major_locator(FixedLocator([30, 50, 100, 200, 500, 1500]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda percent, _: f"{percent:g}%"))


def _width(panels: int) -> float:
    """Inches; a single panel is wider, as titles have to fit above it."""
    return max(7.0, 5.2 * panels)


def _unit(runs: Sequence[PretrainRun]) -> str:
    return " / ".join(sorted({run.loss_unit for run in runs}))


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=NO_SIZE)
