"""The picture of a grid of steps: time, memory and FLOPs against the length of an utterance, a line for each batch."""

from __future__ import annotations

from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter
from matplotlib.transforms import ScaledTranslation

from fairseq_budget.arithmetic.units import GIB
from fairseq_budget.report.looks import STYLE

_LINES: tuple[Any, ...] = ("-", "--", ":")
_CROSSES = ("x", "+", "1")
"""Of the first, second and third precision."""
_APART = 8
"""Points between the crosses at one length."""


@matplotlib.rc_context(STYLE)
def grid_figure(cells: pd.DataFrame, title: str, memory_limit: int | None) -> Figure:
    """Seconds, peak memory and model FLOPs of a step, the latter two as in figure 2 of Gao et al. 2022.

    Args:
        cells: rows of `seconds`, `utterances`, `precision`, `flops`, `step_seconds`, `peak_bytes` and `out_of_memory`.
        memory_limit: bytes that a step could have; where a line ran out of them stands a cross at the limit.
    """
    figure = Figure(figsize=(16.8, 5.6), layout="constrained")
    figure.suptitle(title, fontweight="bold")
    seconds, memory, flops = figure.subplots(1, 3)
    precisions, batches = list(dict.fromkeys(cells["precision"])), sorted(set(cells["utterances"]))
    shades = matplotlib.colormaps["viridis"]([place / len(batches) for place in range(len(batches))])
    colours = dict(zip(batches, shades, strict=True))
    for (precision, batch), rows in cells.sort_values("seconds").groupby(["precision", "utterances"]):
        line, fitting = _LINES[precisions.index(precision)], rows[~rows["out_of_memory"]]
        for axes, values in ((seconds, fitting["step_seconds"]), (memory, fitting["peak_bytes"] / GIB)):
            axes.plot(fitting["seconds"], values, f"o{line}", color=colours[batch])
        if precision == precisions[0]:
            flops.plot(rows["seconds"], rows["flops"], "o-", color=colours[batch])
            _name(flops, rows, batch, colours[batch])
    if memory_limit is not None:
        memory.axhline(memory_limit / GIB, color="#999999", linewidth=1)
    _crosses(memory, cells, precisions, colours, memory_limit)
    _label(seconds, memory, flops, sorted(set(cells["seconds"])))
    key = _key(precisions, bool(cells["out_of_memory"].any()))
    figure.legend(handles=key, loc="outside lower center", ncols=len(key))
    return figure


def _crosses(axes: Axes, cells: pd.DataFrame, precisions: list[str], colours: dict[int, Any], limit: int | None) -> None:
    """A cross for each line at the first length that it ran out of memory at, side by side."""
    height = limit / GIB if limit is not None else axes.get_ylim()[1]
    first = cells[cells["out_of_memory"]].groupby(["precision", "utterances"], as_index=False)["seconds"].min()
    for seconds, rows in first.groupby("seconds"):
        for place, (precision, batch) in enumerate(zip(rows["precision"], rows["utterances"], strict=True)):
            offset = ScaledTranslation(_APART / 72 * (place - (len(rows) - 1) / 2), 0, axes.figure.dpi_scale_trans)
            axes.plot(
                seconds,
                height,
                _CROSSES[precisions.index(precision)],
                color=colours[batch],
                transform=axes.transData + offset,
                markersize=9,
                markeredgewidth=2,
                clip_on=False,
            )


def _name(axes: Axes, rows: pd.DataFrame, batch: int, colour: Any) -> None:
    """The batch beside its line's end."""
    end = rows["seconds"].iloc[-1], rows["flops"].iloc[-1]
    axes.annotate(f"{batch} a batch", end, xytext=(8, 0), textcoords="offset points", va="center", color=colour, fontsize=11)


def _label(seconds: Axes, memory: Axes, flops: Axes, lengths: list[float]) -> None:
    seconds.set_ylabel("time of a step ↓ (s)")
    memory.set_ylabel("peak memory of a step ↓ (GiB)")
    flops.set_ylabel("model FLOPs of a step")
    flops.yaxis.set_major_formatter(EngFormatter(unit="FLOP"))
    for axes in (seconds, memory, flops):
        axes.set_xlabel("length of each utterance (s)")
        axes.set_xticks(lengths)
        axes.margins(x=0.08)
        axes.set_ylim(bottom=0)
    flops.set_xlim(right=lengths[-1] + 0.3 * max(lengths[-1] - lengths[0], 1.0))


def _key(precisions: list[str], crosses: bool) -> list[Line2D]:
    """What the lines' styles mean, and the crosses' where there are any."""
    grey = "#444444"
    named = zip(precisions, _LINES, strict=False)
    handles = [Line2D([], [], color=grey, linestyle=line, label=precision) for precision, line in named]
    if crosses:
        for precision, cross in zip(precisions, _CROSSES, strict=False):
            label = f"out of memory, {precision}"
            handles.append(Line2D([], [], color=grey, linestyle="", marker=cross, markeredgewidth=2, label=label))
    return handles
