"""The grid's picture: a line for each batch and precision, a cross where memory ran out, and nothing invented."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.axes import Axes

from fairseq_budget import published
from fairseq_budget.report.grid_plot import grid_figure

GIB = 2**30


def cells() -> pd.DataFrame:
    rows = []
    for precision, factor in (("fp32", 2.0), ("bf16", 1.0)):
        for batch in (1, 4):
            for seconds in (1.0, 5.0, 10.0):
                size = factor * batch * seconds
                full = size > 30
                peak = None if full else size * GIB
                rows.append((seconds, batch, precision, batch * seconds * 1e9, peak, full))
    return pd.DataFrame(rows, columns=["seconds", "utterances", "precision", "flops", "peak_bytes", "out_of_memory"]).assign(
        step_seconds=lambda rows: rows["peak_bytes"] / GIB / 2
    )


def drawn(axes: Axes, *markers: str) -> list[list[float]]:
    return [list(line.get_ydata()) for line in axes.lines if line.get_marker() in markers]


@pytest.mark.parametrize("limit", [30 * GIB, None])
def test_lines_and_crosses(limit: int | None) -> None:
    seconds, memory, flops = grid_figure(cells(), "title", limit).axes
    assert sorted(drawn(memory, "o")) == [[1, 5, 10], [2, 10, 20], [4, 20], [8]]
    assert sorted(drawn(seconds, "o")) == [[0.5, 2.5, 5], [1, 5, 10], [2, 10], [4]], "what ran out of memory has no time"
    assert [text.get_text() for text in flops.texts] == ["1 a batch", "4 a batch"]
    crosses = drawn(memory, "x"), drawn(memory, "+")
    assert [len(cross) for cross in crosses] == [1, 1], "4 x 5 s in fp32 and 4 x 10 s in bf16 are the first that don't fit"
    if limit:
        assert crosses == ([[30]], [[30]])
    assert drawn(flops, "o") == [[1e9, 5e9, 10e9], [4e9, 20e9, 40e9]]


def test_published_step_times() -> None:
    times = pd.DataFrame(published.step_times())
    assert set(times["precision"]) == {"fp32", "mixed"}
    assert set(times["batch"]) == {1, 2, 4, 8, 12}
    row = times.query("device == 'NVIDIA RTX 2080Ti' and seconds == 15 and batch == 2 and precision == 'mixed'")
    assert row["seconds_per_batch"].item() == "0.23"
    full = times.query("device == 'Raspberry Pi 4' and seconds == 15 and batch == 2")
    assert full["seconds_per_batch"].tolist() == ["OOM"]
