"""fairseq's JSON log lines: loss against updates and FLOPs.

fairseq's own log file (``common.log_file``) has the JSON objects bare, Hydra's has them as ``[DATE][train_inner][INFO] -
{...}`` and fairseq's console as ``DATE | INFO | train_inner | {...}``; all three are read.  Numbers are strings
(``"1.23e+12"``).  Everything else in the file is passed over.

Beside the total, a line has its terms (``loss_prediction``, ``loss_features_pen``, ...; ``valid_`` before those of
validation): the objective's own is what is drawn, and the others, penalties, apart from it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fairseq_budget.objectives.objective import CONSTANT_TERM, OWN_TERM

_LOG_FILE = re.compile(r"'filename': '([^']*)'")
"""Hydra's own log file, in the configuration that fairseq logs when it starts: another file is another run's."""


@dataclass(frozen=True)
class LogPoint:
    """One logged loss: after how many updates, and how many FLOPs were spent by then (None: the line has no count)."""

    updates: int
    loss: float
    """The objective's own term; the total where the line has no terms."""
    flops: float | None = None
    penalties: Mapping[str, float] = field(default_factory=dict)
    """The other terms of the total, by name."""


@dataclass(frozen=True)
class History:
    """Losses of a run by rising number of updates: the running training loss, and each validation."""

    train: list[LogPoint] = field(default_factory=list)
    valid: list[LogPoint] = field(default_factory=list)
    constant: float | None = None
    """What the best constant guess came to at the last validation, where it is logged."""
    mixed_with: str | None = None
    """The log file of another run whose lines are among these; no curve can be drawn from them."""


def read_train_log(path: Path, term: str = OWN_TERM) -> History:
    """The history in the log file at `path`; bytes that are not UTF-8 are passed over.  See :func:`parse_train_log`."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return parse_train_log(lines, term)


def parse_train_log(lines: Iterable[str], term: str = OWN_TERM) -> History:
    """The history in fairseq's log lines; `term` is the objective's own (:attr:`Objective.own_term`).

    A resumed run logs updates again that it had lost: of points with the same number of updates the last one counts.
    """
    train: dict[int, LogPoint] = {}
    valid: dict[int, LogPoint] = {}
    own, begun, constant = "", dict[str, int](), None
    for line in lines:
        if line.startswith("{'_name'") and (told := _LOG_FILE.search(line)):
            own = told[1]
        stats = _stats(line)
        for target, prefix in ((train, ""), (valid, "valid_")):
            point = _point(stats, prefix, term)
            if point is not None:
                target[point.updates] = point
                begun.setdefault(own, point.updates)
        constant = _number(stats.get(f"valid_{CONSTANT_TERM}", constant))
    return History(_by_updates(train), _by_updates(valid), constant, _another(begun))


def _another(begun: dict[str, int]) -> str | None:
    """Of the first updates by log file, the file of a run that began as early as the first; one that was moved goes on."""
    names = list(begun)
    return next((name for name in names[1:] if begun[name] <= begun[names[0]]), None)


def _stats(line: str) -> dict[str, Any]:
    """The JSON object that ends the line; an empty one for any other line, such as one cut off by a crash."""
    start = line.find("{")
    if start < 0 or 'num_updates"' not in line:
        return {}
    try:
        stats = json.loads(line[start:])
    except (json.JSONDecodeError, RecursionError):
        return {}
    return stats if isinstance(stats, dict) else {}


def _point(stats: dict[str, Any], prefix: str, term: str) -> LogPoint | None:
    updates, total = _number(stats.get(f"{prefix}num_updates")), _number(stats.get(f"{prefix}loss"))
    flops, own = _number(stats.get("flops")), _number(stats.get(f"{prefix}{term}"))
    if updates is None or not math.isfinite(updates) or updates < 0 or total is None:
        return None
    known = flops if flops is not None and math.isfinite(flops) else None
    return LogPoint(int(updates), total if own is None else own, known, dict(_penalties(stats, prefix, term)))


def _penalties(stats: dict[str, Any], prefix: str, term: str) -> Iterable[tuple[str, float]]:
    """Every other term of the total, and what it came to."""
    for name, value in stats.items():
        known, number = name.removeprefix(prefix), _number(value)
        if name.startswith(f"{prefix}loss_") and known not in (term, CONSTANT_TERM) and number is not None:
            yield known, number


def _number(value: object) -> float | None:
    """A logged value as a number; None for anything else, as fairseq also logs lists and null."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _by_updates(points: dict[int, LogPoint]) -> list[LogPoint]:
    return [points[updates] for updates in sorted(points)]


def place_on_flops(history: History, updates: float, flops: float) -> History:
    """The history with FLOPs at every point, up to where the run's record ends.

    Validation lines carry no count, so theirs is interpolated over updates between the training lines around them, from
    nothing at update 0 to what the record says at its end.  Updates after the record's are left out: they were lost in a
    crash, or belong to an older run in the same folder.

    Args:
        history: as parsed.
        updates: updates of the whole run, from its record.
        flops: FLOPs of the whole run, from its record.
    """
    train = [point for point in history.train if point.updates <= updates]
    valid = [point for point in history.valid if point.updates <= updates]
    known = {0: 0.0, int(updates): flops} | {point.updates: point.flops for point in train if point.flops is not None}
    anchors = sorted(known.items())
    return History(
        [_placed(point, anchors) for point in train],
        [_placed(point, anchors) for point in valid],
        history.constant,
        history.mixed_with,
    )


def _placed(point: LogPoint, anchors: list[tuple[int, float]]) -> LogPoint:
    return point if point.flops is not None else replace(point, flops=_interpolate(point.updates, anchors))


def _interpolate(x: float, anchors: list[tuple[int, float]]) -> float:
    """Straight line between neighbouring anchors (at least one, by rising x); the last value beyond them."""
    before = [a for a in anchors if a[0] <= x][-1]
    after = next((a for a in anchors if a[0] > x), None)
    if after is None:
        return before[1]
    return before[1] + (after[1] - before[1]) * (x - before[0]) / (after[0] - before[0])
