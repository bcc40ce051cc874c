"""What ``fairseq-budget study plan`` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import GIB, human_flops
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.errors import BudgetError
from fairseq_budget.studies.study import Cell

if TYPE_CHECKING:
    from fairseq_budget.studies.forecast import Forecast


def foresee_cells(cells: Sequence[Cell], data: Path | None, extra: Sequence[str], speed: float | None) -> list[Forecast]:
    """What each cell spends, on the lengths of the user's data or on LibriSpeech's; `speed` in FLOPs a second."""
    from fairseq_budget.studies.forecast import foresee, training_lengths

    lengths = None if data is None else training_lengths(data)
    return foresee(cells, lengths, ["data=folder", "task.data=.", *extra], speed)


def print_plan(forecasts: Sequence[Forecast], price: float | None, as_json: bool) -> None:
    """A row for each cell and one for all; `price` of a device hour.

    Raises:
        BudgetError: a price, where no speed was given.
    """
    if as_json:
        print(json.dumps([{**asdict(f.run), "disk_bytes": f.disk_bytes} for f in forecasts], indent=2))
        return
    runs = [forecast.run for forecast in forecasts]
    timed, priced = runs[0].device_hours is not None, price is not None
    if priced and not timed:
        raise BudgetError("`--price-per-device-hour` needs to know how fast a device is: give `--flops-per-second`")
    headings = ["cell", "params", "updates", "FLOPs", "heard", "epochs", "disk"]
    table = plain_table(*headings, *(["device"] if timed else []), *(["price"] if priced else []))
    for forecast, run in zip(forecasts, runs, strict=True):
        row = [run.name, numbers.params(run.params), numbers.count(run.updates), human_flops(run.flops)]
        row += [numbers.hours(run.hours_heard), numbers.significant(run.epochs), _gib(forecast.disk_bytes)]
        table.add_row(*row, *_paid(run.device_hours, price))
    total = [f"{len(runs)} cells", "", "", human_flops(sum(run.flops for run in runs))]
    total += [numbers.hours(sum(run.hours_heard for run in runs)), "", _gib(sum(f.disk_bytes for f in forecasts))]
    hours = sum(run.device_hours or 0.0 for run in runs) if timed else None
    table.add_row(*total, *_paid(hours, price), style="bold")
    output().print(table)


def print_measured(cells: Sequence[Cell], as_json: bool) -> None:
    """The plan of a study that trains nothing."""
    if as_json:
        print(json.dumps([{"name": cell.name, "measures": cell.tasks, "options": cell.options} for cell in cells], indent=2))
        return
    table = plain_table("cell", "what", left=2)
    for cell in cells:
        table.add_row(cell.name, cell.series)
    output().print(table)
    typer.echo(f"{len(cells)} cells, of which none is trained: each times steps, for seconds to minutes here.")


def _paid(hours: float | None, price: float | None) -> list[str]:
    """Device hours where they are known, and what they cost where a price is."""
    if hours is None:
        return []
    return [numbers.hours(hours), *([] if price is None else [numbers.significant(hours * price, 4)])]


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
