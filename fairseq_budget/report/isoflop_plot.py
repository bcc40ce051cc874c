"""The picture of an iso-FLOP analysis: runs, both fits and their optima; with several budgets, how the optimum grows."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.planning.choice import MEASURES
from fairseq_budget.planning.isoflop.analysis import Analysis, Optimum, PowerLaw
from fairseq_budget.records.names import objective_name
from fairseq_budget.report.looks import STYLE

_PARABOLA: dict[str, Any] = {"marker": "D", "markerfacecolor": "white", "linestyle": "--", "capsize": 4, "zorder": 5}
_PARAMETRIC: dict[str, Any] = {"marker": "*", "markersize": 14, "linestyle": "-", "capsize": 4, "zorder": 4}


@matplotlib.rc_context(STYLE)
def isoflop_figure(analysis: Analysis) -> Figure:
    """Left: value against size, one colour a budget.  Right, with several budgets: optimal size against FLOPs."""
    panels = 1 + (len(analysis.budgets) > 1)
    figure = Figure(figsize=(7.6 * panels, 6.6), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for index in range(len(analysis.budgets)):
        _budget(axes[0], analysis, index, _colour(index, len(analysis.budgets)))
    _size_axis(axes[0].xaxis, analysis)
    axes[0].set_ylabel(_value_name(analysis))
    axes[0].set_title(f"{objective_name(analysis.objective)}: {len(analysis.budgets)} budget{'s' * (panels - 1)}")
    _legend(axes[0], analysis)
    if panels > 1:
        _growth(axes[1], analysis)
    return figure


def _budget(axes: Axes, analysis: Analysis, index: int, colour: Any) -> None:
    """Runs of one budget, both curves, and each optimum below them with its interval."""
    (runs, parabola), fit = analysis.curves[index], analysis.budgets[index]
    sizes = np.geomspace(fit.smallest, fit.largest, 200)
    label = human_flops(fit.flops)
    axes.plot([run.params for run in runs], [run.value for run in runs], "o", color=colour, label=label, zorder=3)
    axes.plot(sizes, parabola(sizes), "--", color=colour)
    _optimum(axes, fit.parabola, parabola.floor, colour, _PARABOLA)
    if analysis.surface is not None:
        axes.plot(sizes, analysis.surface.at_budget(fit.flops, sizes), "-", color=colour, alpha=0.7)
        if fit.parametric:
            low = analysis.surface.at_budget(fit.flops, np.array([fit.parametric.params]))
            _optimum(axes, fit.parametric, float(low[0]), colour, _PARAMETRIC)


def _optimum(axes: Axes, optimum: Optimum, value: float, colour: Any, style: dict[str, Any]) -> None:
    axes.errorbar(optimum.params, value, xerr=_bars([optimum]), color=colour, **style)


def _growth(axes: Axes, analysis: Analysis) -> None:
    """Optima of all budgets by both approaches, and the power laws through them."""
    for name, key, law, style, colour in (
        ("parabola", "parabola", analysis.power_law_parabola, _PARABOLA, "#332288"),
        ("parametric", "parametric", analysis.power_law_parametric, _PARAMETRIC, "#CC6677"),
    ):
        found = [(fit.flops, getattr(fit, key)) for fit in analysis.budgets if getattr(fit, key)]
        if not found:
            continue
        flops, optima = zip(*found, strict=True)
        points: dict[str, Any] = {**style, "linestyle": "none", "color": colour}
        label = f"{name}{_exponent(law)}"
        axes.errorbar(flops, [optimum.params for optimum in optima], yerr=_bars(optima), label=label, **points)
        if law:
            axes.plot(flops, law.coefficient * np.array(flops) ** law.exponent, style["linestyle"], color=colour)
    axes.set_xscale("log")
    axes.set_xticks([fit.flops for fit in analysis.budgets], [human_flops(fit.flops) for fit in analysis.budgets])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("training FLOPs")
    axes.set_yscale("log")
    _millions(axes.yaxis)
    axes.set_ylabel("optimal size, parameters")
    axes.set_title("Optimal size against budget")
    axes.legend()


def _exponent(law: PowerLaw | None) -> str:
    if law is None:
        return ""
    bounds = f" ({law.interval[0]:.2f} to {law.interval[1]:.2f})" if law.interval else ""
    return f": N ~ C^{law.exponent:.2f}{bounds}"


def _bars(optima: Any) -> Any:
    """Lengths below and above.  Shape: -> (2, O); zero where there is no interval."""
    ends = [optimum.interval or (optimum.params, optimum.params) for optimum in optima]
    pairs = zip(optima, ends, strict=True)
    return np.array([(max(0.0, o.params - low), max(0.0, high - o.params)) for o, (low, high) in pairs]).T


def _value_name(analysis: Analysis) -> str:
    name = MEASURES.get(analysis.measure, analysis.measure) if analysis.measure == "valid_loss" else analysis.measure
    losses = analysis.measure.endswith("_loss") and analysis.unit != "not recorded"
    return f"{name} ({analysis.unit})" if losses else name


def _legend(axes: Axes, analysis: Analysis) -> None:
    axes.plot([], [], "k--", marker="D", markerfacecolor="white", label="parabola and its optimum")
    if analysis.surface is not None:
        axes.plot([], [], "k-", marker="*", markersize=14, alpha=0.7, label="parametric fit and its optimum")
    below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncols": 2}
    axes.legend(title="bars: 95% intervals", title_fontsize=11, fontsize=11, **below)


def _size_axis(axis: Any, analysis: Analysis) -> None:
    axis.axes.set_xscale("log")
    axis.axes.set_xlabel("size, parameters")
    smallest = min(fit.smallest for fit in analysis.budgets)
    largest = max(fit.largest for fit in analysis.budgets)
    axis.axes.set_xlim(smallest / 1.2, largest * 1.2)
    _millions(axis)


def _millions(axis: Any) -> None:
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: numbers.params(value).replace(".0 M", " M")))
    axis.set_minor_formatter(NullFormatter())


def _colour(index: int, count: int) -> Any:
    """Light for small, dark for large budgets."""
    return matplotlib.colormaps["viridis_r"](0.25 + 0.65 * (index / (count - 1) if count > 1 else 1))
