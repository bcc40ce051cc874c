"""The tables of ``fairseq-budget bench``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape

from fairseq_budget import published
from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.flops import CONVENTION
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.units import GIB, SAMPLE_RATE, human_flops
from fairseq_budget.bench.compare import Comparison, ComparisonRow, Ratio
from fairseq_budget.bench.grid import GridCell
from fairseq_budget.bench.implementations import OURS
from fairseq_budget.bench.loader import LoaderWaiting
from fairseq_budget.bench.profile import OperationKind, Profile
from fairseq_budget.bench.reading import Reading
from fairseq_budget.bench.starting import Start
from fairseq_budget.bench.witnesses import Witnesses
from fairseq_budget.bench.workload import Workload
from fairseq_budget.cli.output import plain_table
from fairseq_budget.planning.machine import device_name

MIXED = "mixed"
"""What Gao et al. 2022 call half precision."""
_HERE = "here"
"""How this project is called in tables."""
_SHORT = {
    "NVIDIA RTX 2080Ti": "2080Ti",
    "Raspberry Pi 4": "Pi 4",
    "Jetson Xavier NX": "NX",
    "Jetson Xavier AGX": "AGX",
}


def _footnote(console: Console, text: str) -> None:
    """What a table is about; only a terminal's lines are wrapped."""
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)


def print_comparison(console: Console, workload: Workload, comparison: Comparison) -> None:
    """Two tables: what a step takes, and what that makes."""
    ours = [f"{row.implementation} {row.precision}" for row in comparison.rows if row.implementation == OURS]
    named = [f"{label.split()[-1]} {_HERE}" for label in ours]
    steps = plain_table("whose step", "in", "step", "forward", "backward", "optimizer", "memory", left=2)
    rates = plain_table("whose step", "in", "audio/s", "GFLOP/s", "of peak", *named, left=2)
    for row in comparison.rows:
        name = _HERE if row.implementation == OURS else row.implementation, row.precision
        if row.failure is not None:
            steps.add_row(*name, f"fails: {escape(row.failure)}")
            continue
        steps.add_row(*name, *_step_cells(row))
        rates.add_row(*name, *_rate_cells(row, ours))
    console.print(steps)
    console.print(rates)
    peaks = ", ".join(f"{name} {numbers.flops_rate(rate)}" for name, rate in comparison.matmul_flops_per_second.items())
    order = "taken in turns" if comparison.in_turns else "one implementation after the other"
    _footnote(
        console,
        f"{workload.objective}, {workload.size}, {_batch(workload)}. "
        f"Medians of {comparison.repeats} steps, {order}. FLOP/s: {human_flops(workload.flops)} of this project's model "
        f"a step, by the closed form. Peak, measured on products of matrices: {peaks}. Here: {OURS}; last "
        "columns: how many times faster it is in that precision, with the lowest and the highest of the steps.",
    )


def _batch(workload: Workload) -> str:
    return f"{workload.utterances} x {workload.samples / SAMPLE_RATE:g} s, {device_name(workload.device)}"


def _step_cells(row: ComparisonRow) -> Iterator[str]:
    if row.seconds is None or row.step_seconds is None:
        return
    for seconds in (row.step_seconds, row.seconds.forward, row.seconds.backward, row.seconds.optimizer):
        yield f"{numbers.significant(seconds)} s"
    yield _memory(row.peak_bytes)


def _rate_cells(row: ComparisonRow, ours: Sequence[str]) -> Iterator[str]:
    if row.audio_seconds_per_second is None or row.flops_per_second is None or row.matmul_share is None:
        return
    yield f"{numbers.significant(row.audio_seconds_per_second)} s"
    yield numbers.significant(row.flops_per_second / 1e9)
    yield numbers.percent(row.matmul_share)
    for label in ours:
        ratio = (row.times_faster or {}).get(label)
        yield numbers.NOTHING if ratio is None else _ratio(ratio)


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.median:.2f}x ({ratio.lowest:.2f}-{ratio.highest:.2f})"


def _memory(size: int | None) -> str:
    return numbers.NOTHING if size is None else f"{size / GIB:.2f} GiB"


def print_grid(console: Console, cells: Sequence[GridCell], picture: Path) -> None:
    """A row for each cell, with the published seconds of the same one."""
    others = pd.DataFrame(published.step_times())
    devices = list(dict.fromkeys(others["device"]))
    named = [_SHORT.get(name, name) for name in devices]
    table = plain_table("length (s)", "batch", "in", "step (s)", "GiB", "GFLOP", *named, left=0)
    for cell in cells:
        times = [_published(others, device, cell) for device in devices]
        table.add_row(f"{cell.seconds:g}", str(cell.utterances), cell.precision, *_grid_cells(cell), *times)
    console.print(table)
    _footnote(
        console,
        "OOM: out of memory. Right: seconds that Gao et al. 2022 publish for wav2vec 2.0 Base, in fp32 and mixed precision, "
        f"on {', '.join(devices)}.\n"
        f"picture: {escape(str(picture))}",
    )


def _grid_cells(cell: GridCell) -> Iterator[str]:
    yield "OOM" if cell.step_seconds is None else numbers.significant(cell.step_seconds)
    yield numbers.NOTHING if cell.peak_bytes is None else f"{cell.peak_bytes / GIB:.2f}"
    yield numbers.significant(cell.flops / 1e9)


def _published(table: pd.DataFrame, device: str, cell: GridCell) -> str:
    """Seconds as published, OOM, or nothing."""
    precision = "fp32" if cell.precision == "fp32" else MIXED
    rows = table[
        (table["device"] == device)
        & (table["seconds"] == cell.seconds)
        & (table["batch"] == cell.utterances)
        & (table["precision"] == precision)
    ]
    return numbers.NOTHING if rows.empty else str(rows["seconds_per_batch"].iloc[0])


def print_profile(console: Console, implementation: str, workload: Workload, profile: Profile) -> None:
    """A row for each kind of operation."""
    table = plain_table("operations", "calls", "ms", "of step", "GFLOP", "GFLOP/s", "of peak", "GB")
    for kind in profile.kinds:
        table.add_row(kind.name, *_kind_cells(kind, profile))
    console.print(table)
    _footnote(
        console,
        f"{implementation}: {workload.objective}, {workload.size}, {workload.precision}, {_batch(workload)}. "
        f"A step takes {numbers.duration(profile.step_seconds)} unwatched. Peak, measured on "
        f"products of matrices: {numbers.flops_rate(profile.matmul_flops_per_second)}. GB: of tensors read and written.",
    )


def _kind_cells(kind: OperationKind, profile: Profile) -> Iterator[str]:
    yield str(kind.calls) if kind.calls else numbers.NOTHING
    yield f"{1000 * kind.seconds:,.1f}"
    yield numbers.percent(kind.seconds / profile.step_seconds)
    rate = kind.flops / kind.seconds if kind.flops else math.nan
    yield numbers.NOTHING if math.isnan(rate) else f"{kind.flops / 1e9:,.1f}"
    yield numbers.NOTHING if math.isnan(rate) else f"{rate / 1e9:,.0f}"
    yield numbers.percent(rate / profile.matmul_flops_per_second)
    yield f"{kind.bytes / 1e9:,.2f}" if kind.bytes else numbers.NOTHING


def print_flops(console: Console, workload: Workload, found: Witnesses) -> None:
    """A row for each component of a forward pass, and one for all; the witnesses as percent of the whole."""
    table = plain_table("component", "closed form", "torch", "DeepSpeed")
    total = sum(found.closed_form.values())
    for name, own in found.closed_form.items():
        gaps = [_gap(counts.get(name, 0) - own, total) for counts in (found.torch, found.deepspeed)]
        table.add_row(name, human_flops(own), *gaps)
    gaps = [_gap(sum(counts.values()) - total, total) for counts in (found.torch, found.deepspeed)]
    table.add_row("forward", human_flops(total), *gaps, end_section=True)
    table.add_row("a training step", human_flops(found.training), "", "")
    seen = _gap(found.torch_executed - found.executed, found.executed)
    table.add_row("of it executed", human_flops(found.executed), seen, "")
    console.print(table)
    _footnote(
        console,
        f"{workload.objective}, {workload.frontend}, {workload.size}, "
        f"{numbers.params(count_parameters(workload.shape))} parameters, an "
        f"utterance of {workload.samples / SAMPLE_RATE:g} s. {CONVENTION}. Right: how far the witnesses are from the closed "
        "form, in percent of the whole; DeepSpeed includes norms and activations.",
    )


def _gap(difference: int, total: int) -> str:
    return f"{100 * difference / total:+.3f}%"


def print_waiting(console: Console, rows: Sequence[LoaderWaiting]) -> None:
    """A row for each number of loader processes."""
    table = plain_table("loader processes", "an update", "waiting for data", "share", left=0)
    for row in rows:
        waited = f"{1000 * row.waited_seconds / row.updates:.1f} ms"
        table.add_row(str(row.workers), f"{numbers.significant(row.seconds / row.updates)} s", waited, f"{row.share:.2%}")
    console.print(table)


def print_reading(console: Console, rows: Sequence[Reading], rate: float) -> None:
    """A row for each format and place."""
    table = plain_table("format", "in", "hours a core-second", f"cores for {rate:,.0f} s/s", left=2)
    for row in rows:
        read = numbers.significant(row.hours_per_core_second)
        table.add_row(row.format, row.place, read, f"{row.cores(rate):.1f}")
    console.print(table)
    _footnote(console, f"cores that read for a device that hears {rate:,.0f} seconds of audio a second")


def print_starts(console: Console, rows: Sequence[Start]) -> None:
    """The first start, and the next."""
    table = plain_table("start", "utterances", "first update", "of a core", "bytes an utterance", "a loader's own")
    for name, row in zip(("first", "next"), rows, strict=True):
        times = f"{row.seconds:.1f} s", f"{row.core_seconds:.1f} s"
        table.add_row(name, f"{row.utterances:,}", *times, f"{row.own_bytes:.1f}", f"{row.loader_bytes / 2**20:.0f} MiB")
    console.print(table)
