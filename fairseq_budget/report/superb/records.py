"""What downstream runs left: one result for each ``record.json`` of that kind below some folders."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fairseq_budget.errors import BudgetError
from fairseq_budget.report.fields import Fields, read_record
from fairseq_budget.report.looks import upstream_name
from fairseq_budget.report.runs import OWN_SHAPE, RECORD
from fairseq_budget.report.superb.columns import COLUMNS

_OWN_UPSTREAMS = "budget_"  # how the names of our upstreams begin


@dataclass(frozen=True)
class Result:
    """One task of one upstream.  `values` by column, `remarks` on what a reader of the numbers has to know."""

    folder: Path
    task: str
    upstream: str
    checkpoint: str | None
    values: Mapping[str, float]
    remarks: tuple[str, ...]


def read_results(folders: Iterable[Path]) -> list[Result]:
    """Every result below `folders`, by path; of a sweep its tasks' own records, not those of cells.

    Raises BudgetError if a folder is missing or has no result, or a record can't be read.
    """
    found: dict[Path, Result] = {}
    for folder in folders:
        if not folder.is_dir():
            raise BudgetError(f"no folder `{folder}`: name one of downstream runs, such as `superb --out`")
        paths = sorted(folder.rglob(RECORD))
        here = {path.resolve(): result for path in paths if (result := _read(path)) is not None}
        if not here:
            raise BudgetError(f"no downstream result below `{folder}`: there is no {RECORD} of a finished task")
        found |= here
    return list(found.values())


def _read(path: Path) -> Result | None:
    """The result in a record; None for one of another kind, and for a cell of a sweep, which has no cells itself."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = {"kind": "downstream"}  # read_record says what is wrong
    if isinstance(values, dict) and (values.get("kind") != "downstream" or ("chosen" in values and "cells" not in values)):
        return None
    fields = read_record(path, "downstream")
    scores = fields.inner("scores")
    numbers = {key: number for key in scores.values if math.isfinite(number := scores.number_or_nan(key))}
    known = {key: number for key, number in numbers.items() if key in COLUMNS}
    return Result(
        path.parent,
        fields.text("task"),
        _upstream(fields),
        fields.optional_text("checkpoint"),
        known,
        tuple(_remarks(fields, known)),
    )


def _upstream(fields: Fields) -> str:
    own = fields.text("upstream").startswith(_OWN_UPSTREAMS)
    name = upstream_name(fields.text("objective"), fields.optional_text("size") or (OWN_SHAPE if own else None))
    return f"{name}, fine-tuned" if fields.values.get("unfrozen") else name


def _remarks(fields: Fields, numbers: Mapping[str, float]) -> Iterator[str]:
    if fields.values.get("error"):
        yield str(fields.values["error"])
    elif not numbers:
        yield f"no test score in `{fields.source}`"
    changed = fields.inner("sweep").inner("changed").values
    if changed:
        yield f"not the official recipe ({', '.join(f'{key}={value}' for key, value in changed.items())})"
