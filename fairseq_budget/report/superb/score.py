"""SUPERB's aggregate score of an upstream u over tasks T with metrics M_t:

    superb_s(u) = 1000 / |T| * sum over t of 1 / |M_t| * sum over m of (s(u) - s(FBANK)) / (s(best) - s(FBANK))

FBANK scores 0 and the reference called best 1000, whichever direction a metric has; more than 1000 is possible.  Tasks weigh
the same: SF's two metrics are averaged first.

Formula and default references are those of SUPERB's own leaderboard (superbbenchmark.org; the repository
superbbenchmark/website-react at commit cacb90e: ``frontend/src/policy.js``, "Overall Metrics", ``overall_metrics.js`` and
``reference_points`` in ``Data.js``).  "Best" is, task by task, the best upstream of SUPERB's first paper (Yang et al. 2021),
so that later models score more than 1000; FBANK is there s3prl's ``fbank`` and, on KS, IC, SID and ER, its
``fbank_no_cmvn``, which is better.  Give references of your own with a file like published/superb_references.csv.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import fmean

from fairseq_budget import published
from fairseq_budget.errors import BudgetError
from fairseq_budget.published.columns import COLUMNS, OTHERS, TABLE_2

SCORED = (*TABLE_2, *OTHERS[:1])
"""Metrics of SUPERB's ten tasks; Mandarin recognition and the 35 words aren't among them."""

ZERO, FULL = "zero", "full"


@dataclass(frozen=True)
class Reference:
    """Somebody's results by column, and where they are from.  `role`: ``zero``, ``full``, or nothing for any other."""

    name: str
    role: str
    values: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class AggregateScore:
    """A score, and the tasks that it is over."""

    value: float
    tasks: tuple[str, ...]


class Scale:
    """What scores 0 and what scores 1000."""

    def __init__(self, references: list[Reference], source: str) -> None:
        """BudgetError, naming the `source`, unless there is one reference of each role."""
        by_role = {role: [reference for reference in references if reference.role == role] for role in (ZERO, FULL)}
        wrong = [role for role, found in by_role.items() if len(found) != 1]
        if wrong:
            raise BudgetError(f"`{source}` must have one row whose `role` is `{wrong[0]}`: the score lies between the two")
        self.references = references
        self.zero, self.full = by_role[ZERO][0], by_role[FULL][0]

    def score(self, values: Mapping[str, float]) -> AggregateScore | None:
        """The score over the tasks that have all their metrics in `values`; None if there is no such task."""
        by_task: dict[str, list[float | None]] = {}
        for column in SCORED:
            by_task.setdefault(column.task, []).append(self._share(column.key, values.get(column.key)))
        known = {task: [share for share in shares if share is not None] for task, shares in by_task.items()}
        whole = {task: fmean(known[task]) for task, shares in by_task.items() if len(known[task]) == len(shares)}
        return AggregateScore(1000 * fmean(whole.values()), tuple(whole)) if whole else None

    def _share(self, key: str, value: float | None) -> float | None:
        """How far a value is from the zero to the full reference; None where one of the three is missing."""
        zero, full = self.zero.values.get(key), self.full.values.get(key)
        if value is None or zero is None or full is None:
            return None
        return (value - zero) / (full - zero)

    @property
    def remarks(self) -> list[str]:
        """What has to stand beside every score."""
        return [
            "SUPERB score: mean over tasks of (score - zero) / (full - zero) x 1000, the metrics of a task averaged first; "
            "in brackets, the number of tasks. Scores over other tasks, or with other references, can't be compared; on "
            "corpora other than SUPERB's, or with shortened recipes, they mean nothing.",
            f"Its zero: {self.zero.name} ({self.zero.source}). Its 1000: {self.full.name} ({self.full.source}).",
        ]


def read_scale(path: Path | None = None) -> Scale:
    """The references in a file like ``published/superb_references.csv``, which is read by default.

    Raises:
        BudgetError: what is no number, an unknown column, or equal references; names the line.
    """
    source = str(path or "superb_references.csv")
    try:
        text = (path or files(published).joinpath(source)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetError(f"references `{source}` can't be read ({error}): name a CSV file") from error
    reader = csv.DictReader(text.splitlines())
    unknown = set(reader.fieldnames or ()) - {"name", "role", "source", *COLUMNS}
    missing = {"name", "role", "source"} - set(reader.fieldnames or ())
    if unknown or missing:
        wrong = f"unknown column `{min(unknown)}`" if unknown else f"no column `{min(missing)}`"
        raise BudgetError(f"`{source}`: {wrong}; there are name, role, source, {', '.join(COLUMNS)}")
    scale = Scale([_reference(row, f"{source}`, line {reader.line_num}") for row in reader], source)
    same = [key for key, value in scale.zero.values.items() if scale.full.values.get(key) == value]
    if same:
        raise BudgetError(f"`{source}`: `{same[0]}` is the same for the zero and the full reference: nothing lies between")
    return scale


def _reference(row: Mapping[str, str], place: str) -> Reference:
    values = {}
    for key in COLUMNS:
        if row.get(key):
            try:
                values[key] = float(row[key])
            except ValueError:
                values[key] = math.nan
            if not math.isfinite(values[key]):
                raise BudgetError(f"`{place}: `{key}` must be a number, but is `{row[key]}`")
    return Reference(row["name"], row["role"], values, row["source"] or "source not given")
