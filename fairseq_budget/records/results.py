"""What downstream runs left: one result for each record of that kind below some folders."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fairseq_budget.errors import BudgetError
from fairseq_budget.published.columns import COLUMNS
from fairseq_budget.records.base import FILE, find_records
from fairseq_budget.records.downstream import DownstreamRecord, padded
from fairseq_budget.records.items import item_scores
from fairseq_budget.records.kinds import AFTER_PRETRAINING
from fairseq_budget.records.names import size_of_upstream, upstream_name
from fairseq_budget.records.pretraining import PretrainingRecord

INCOMPLETE = "†"
"""The mark of a score for which the corpus lacked files."""
PADDED = "‡"
"""The mark of a score of an upstream whose features padded batches change."""
MINIATURE = "§"
"""The mark of a score by another recipe than the official one, such as of fewer steps."""


@dataclass(frozen=True)
class Result:
    """One task of one upstream.  `values` by column, `remarks` on what a reader of the numbers has to know."""

    folder: Path
    task: str
    upstream: str
    checkpoint: str | None
    values: Mapping[str, float]
    remarks: tuple[str, ...]
    incomplete: bool = False
    """The corpus lacked files."""
    padded: bool = False
    """Padded batches changed the upstream's features."""
    miniature: bool = False
    """Not by the official recipe."""
    items: Mapping[str, float] = field(default_factory=dict)
    """By test item, numbers whose mean is the score, such as 100 where it was right; empty where the task doesn't tell."""


def read_results(folders: Iterable[Path]) -> list[Result]:
    """Every result below `folders`, by path; of a sweep its tasks' own records, not those of trials.

    Raises:
        BudgetError: a folder is missing or has no result, or a record can't be read.
    """
    found: dict[Path, Result] = {}
    for folder in folders:
        if not folder.is_dir():
            raise BudgetError(f"no folder `{folder}`: name one of downstream runs, such as `superb --out`")
        records = find_records(folder)
        here = {path.resolve(): result for path, kind in records.items() if (result := _read(path, kind)) is not None}
        if not here:
            raise BudgetError(f"no downstream result below `{folder}`: there is no {FILE} of a finished task")
        found |= here
    return list(found.values())


def _read(path: Path, kind: str | None) -> Result | None:
    """The result in a record; None for one of another kind, and for a trial of a sweep."""
    if kind == PretrainingRecord.KIND or kind in AFTER_PRETRAINING - {DownstreamRecord.KIND}:
        return None
    record = DownstreamRecord.read(path)
    if record.is_trial:
        return None
    known = {key: n for key, n in record.scores.items() if key in COLUMNS and n is not None and math.isfinite(n)}
    name = upstream_name(record.objective, size_of_upstream(record.upstream, record.size))
    return Result(
        path.parent,
        record.task,
        f"{name}, fine-tuned" if record.unfrozen else name,
        record.checkpoint,
        known,
        tuple(_remarks(path, record, known)),
        record.incomplete is not None,
        record.padding is not None,
        record.sweep is not None and bool(record.sweep.changed),
        {name: 100 * share for name, share in item_scores(path.parent, record.metric).items()},
    )


def _remarks(path: Path, record: DownstreamRecord, numbers: Mapping[str, float]) -> Iterator[str]:
    if record.error:
        yield record.error
    elif not numbers:
        yield f"no test score in `{path}`"
    if record.incomplete is not None:
        yield f"{INCOMPLETE} {record.incomplete}"
    if record.padding is not None:
        yield f"{PADDED} {padded(record.padding)}"
    if record.sweep is not None and record.sweep.changed:
        changed = ", ".join(f"{key}={value}" for key, value in record.sweep.changed.items())
        yield f"{MINIATURE} not the official recipe ({changed})"
