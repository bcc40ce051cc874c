"""Runs to fit a curve to: read from records or a table, and refused where they can't be compared.

A table is a CSV file with the columns ``objective``, ``budget_flops`` (spent, not asked for), ``params`` and one for each
measure (``valid_loss``, ``asr_wer``, ...; less is better).  ``hours_heard`` is optional, and so are ``data``, ``loss_unit``,
``flops_convention`` and ``frontend`` (conv), which must be the same in all rows.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.records.base import FILE, find_records
from fairseq_budget.records.kinds import AFTER_PRETRAINING
from fairseq_budget.records.pretraining import PretrainingRecord

SAME_BUDGET = 1.03
"""Runs whose spent FLOPs lie within this factor share a budget: a run ends with a whole update, a little past its amount."""
FEWEST_SIZES = 3
"""What a parabola has coefficients."""
_UNKNOWN = "not recorded"


@dataclass(frozen=True)
class RunSetting:
    """What has to be the same in runs that are compared."""

    objective: str
    data: str = _UNKNOWN
    """Hours of training data, which tell manifests apart wherever they lie; its path where hours aren't recorded."""
    loss_unit: str = _UNKNOWN
    flops_convention: str = _UNKNOWN
    frontend: str = DEFAULT


@dataclass(frozen=True)
class Point:
    """One finished run: FLOPs spent, parameters, value of the measure, hours of audio heard (None: not recorded)."""

    name: str
    setting: RunSetting
    flops: float
    params: float
    value: float
    hours_heard: float | None
    size: str | None = None
    """Its row of the size table, where it has one and a record tells."""


@dataclass(frozen=True)
class Wanted:
    """Which runs are read: of that objective and front end, where they are given."""

    objective: str | None
    frontend: str | None

    def has(self, objective: str | None, frontend: str) -> bool:
        return self.objective in (None, objective) and self.frontend in (None, frontend)

    def __str__(self) -> str:
        of = [("objective", self.objective), ("front end", self.frontend)]
        return "".join(f" of {what} `{name}`" for what, name in of if name)


def read_points(
    paths: Sequence[Path], measure: str = "valid_loss", objective: str | None = None, frontend: str | None = None
) -> list[Point]:
    """The runs under folders (``*/record.json`` of pre-training) and in CSV files, of one objective.

    Args:
        measure: a key of the records' ``metrics``, or a column of the table.
        objective: the only one to read; None where there is only one.
        frontend: the same of the front end.

    Raises:
        BudgetError: nothing to read, a file that cannot be read, an unfinished run, or runs that aren't comparable.
    """
    wanted = Wanted(objective, frontend)
    points = [point for path in paths for point in _read(path, measure, wanted)]
    if not points:
        raise BudgetError(f"no run{wanted} in {', '.join(str(path) for path in paths)}: give folders of runs or a CSV")
    _check_comparable(points)
    return points


def by_budget(points: Sequence[Point]) -> list[list[Point]]:
    """The runs of each budget, sorted by parameters; budgets by FLOPs.

    Raises:
        BudgetError: a budget with fewer than three sizes.
    """
    budgets: list[list[Point]] = []
    for point in sorted(points, key=lambda point: point.flops):
        if budgets and point.flops <= SAME_BUDGET * budgets[-1][0].flops:
            budgets[-1].append(point)
        else:
            budgets.append([point])
    for runs in budgets:
        sizes = len({run.params for run in runs})
        if sizes < FEWEST_SIZES:
            raise BudgetError(
                f"the budget of {runs[0].flops:.3g} FLOPs has {sizes} size{'s' * (sizes > 1)} ({_names(runs)}), but a "
                f"parabola needs {FEWEST_SIZES}: add sizes or leave its runs out (spent FLOPs within "
                f"{100 * (SAME_BUDGET - 1):.0f}% of each other are one budget)"
            )
    return [sorted(runs, key=lambda run: run.params) for runs in budgets]


def _read(path: Path, measure: str, wanted: Wanted) -> Iterator[Point]:
    if path.is_file() and path.suffix == ".csv":
        yield from _read_table(path, measure, wanted)
        return
    records = [record for record, kind in find_records(path).items() if kind not in AFTER_PRETRAINING]
    if not records:
        raise BudgetError(f"{path}: neither a CSV file nor a folder with a {FILE} below it; give that of the runs")
    for record in records:
        read = PretrainingRecord.read(record)
        if wanted.has(read.objective, read.frontend):
            yield _from_record(record, read, measure)


def _from_record(path: Path, record: PretrainingRecord, measure: str) -> Point:
    if not record.finished:
        raise BudgetError(
            f"{path}: unfinished, {100 * record.share:.1f}% of its budget is spent; resume the run or move its folder away"
        )
    if measure == "valid_loss" and record.collapsed:
        raise BudgetError(f"{path}: {record.collapsed}; move its folder away")
    hours, heard = record.data.hours, record.amounts_spent.get("hours_heard", 0.0)
    setting = RunSetting(
        objective=record.objective,
        data=(record.data.train or _UNKNOWN) if hours is None else f"{hours:.4f} h",
        loss_unit=record.loss_unit or _UNKNOWN,
        flops_convention=record.flops_convention or _UNKNOWN,
        frontend=record.frontend,
    )
    return Point(
        name=path.parent.name,
        setting=setting,
        flops=_positive(path, "spent.flops", record.spent.flops),
        params=_positive(path, "params", record.params),
        value=_positive(path, f"metrics.{measure}", _measured(path, record, measure)),
        hours_heard=heard if heard > 0 else None,
        size=record.size,
    )


def _measured(path: Path, record: PretrainingRecord, measure: str) -> float:
    value = record.metrics.model_dump().get(measure)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BudgetError(
            f"{path}: `metrics.{measure}` must be a finite number, but is {value!r}; "
            "write the record again (resume the run) or move its folder out of the study"
        )
    return value


def _read_table(path: Path, measure: str, wanted: Wanted) -> Iterator[Point]:
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        missing = [c for c in ("objective", "budget_flops", "params", measure) if c not in (reader.fieldnames or ())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BudgetError(f"{path}: not a readable CSV file ({error}); write it as UTF-8 text") from error
    if missing:
        columns = ", ".join(reader.fieldnames or ()) or "none"
        raise BudgetError(f"{path}: no column `{'`, `'.join(missing)}`; it has {columns}")
    for row in reader:
        if wanted.has(row["objective"], row.get("frontend") or DEFAULT):
            yield _from_row(f"{path.name} line {reader.line_num}", row, measure)


def _from_row(place: str, row: dict[str, str | None], measure: str) -> Point:
    known = {key: row[key] for key in ("data", "loss_unit", "flops_convention", "frontend") if row.get(key)}
    return Point(
        name=place,
        setting=RunSetting(row["objective"] or _UNKNOWN, **known),  # type: ignore[arg-type]
        flops=_number(place, "budget_flops", row["budget_flops"]),
        params=_number(place, "params", row["params"]),
        value=_number(place, measure, row[measure]),
        hours_heard=_number(place, "hours_heard", row["hours_heard"]) if row.get("hours_heard") else None,
    )


def _number(place: str, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise BudgetError(f"{place}: `{column}` must be a number, but is `{text}`; correct the line") from None
    return _positive(place, column, value)


def _positive(place: object, key: str, value: float) -> float:
    """Sizes, FLOPs and values are fitted in their logarithms."""
    if not 0 < value < math.inf:
        raise BudgetError(f"{place}: `{key}` must be positive and finite, but is {value:g}; leave the run out")
    return value


def _check_comparable(points: Sequence[Point]) -> None:
    first = points[0]
    for key in RunSetting.__dataclass_fields__:
        for other in points:
            ours, theirs = getattr(first.setting, key), getattr(other.setting, key)
            if ours != theirs:
                way_out = f"choose one by `--{key}`" if key in ("objective", "frontend") else "analyse them apart"
                raise BudgetError(
                    f"the runs are not comparable: `{key}` is {ours} in {first.name}, but {theirs} in {other.name}; "
                    f"{way_out}"
                )


def _names(runs: Sequence[Point]) -> str:
    return ", ".join(run.name for run in runs)
