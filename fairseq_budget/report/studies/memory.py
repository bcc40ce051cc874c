"""The picture of memory over time while a task is trained (Gao et al. 2022, figure 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib
from matplotlib.figure import Figure

from fairseq_budget.records.resources import DownstreamResourcesRecord
from fairseq_budget.report.looks import STYLE, series_colour
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.study import DOWNSTREAM, Cell

Traces = Mapping[str, Mapping[str, list[list[float]]]]
"""By task and curve: pairs of seconds and bytes."""
ROW = 3
"""Panels beside each other."""


def memory_traces(cells: Iterable[Cell], place: Place) -> dict[str, dict[str, list[list[float]]]]:
    """Of the cells that were watched, and whose system tells."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for cell in cells:
        path = place.score(cell, DOWNSTREAM)
        if DOWNSTREAM in cell.tasks and path.is_file():
            record = DownstreamResourcesRecord.read(path)
            if record.memory:
                found.setdefault(record.task, {})[cell.series] = record.memory
    return found


@matplotlib.rc_context(STYLE)
def memory_figure(traces: Traces) -> Figure:
    """A panel for each task, a line for each curve."""
    columns = min(len(traces), ROW)
    rows = -(-len(traces) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * rows + 0.4), layout="constrained")
    for place, (task, curves) in enumerate(traces.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        for number, (name, points) in enumerate(curves.items()):
            seconds, used = zip(*points, strict=True)
            axes.plot(seconds, [value / 1e9 for value in used], color=series_colour(number), label=name)
        axes.set_title(task)
        axes.set_xlabel("seconds")
        axes.set_ylabel("memory, GB")
        axes.legend(fontsize=9)
    return figure
