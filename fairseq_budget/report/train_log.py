"""fairseq's JSON log lines: loss against updates and FLOPs.

fairseq's own log file (``common.log_file``) has the JSON objects bare, Hydra's has them as ``[DATE][train_inner][INFO] -
{...}`` and fairseq's console as ``DATE | INFO | train_inner | {...}``; all three are read.  Numbers are strings
(``"1.23e+12"``).  Everything else in the file is passed over.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LOG_FILE = re.compile(r"'filename': '([^']*)'")
"""Hydra's own log file, in the configuration that fairseq logs when it starts: another file is another run's."""


@dataclass(frozen=True)
class LogPoint:
    """One logged loss: after how many updates, and how many FLOPs were spent by then (None: the line has no count)."""

    updates: int
    loss: float
    flops: float | None = None


@dataclass(frozen=True)
class History:
    """Losses of a run by rising number of updates: the running training loss, and each validation."""

    train: list[LogPoint] = field(default_factory=list)
    valid: list[LogPoint] = field(default_factory=list)
    mixed_with: str | None = None
    """The log file of another run whose lines are among these; no curve can be drawn from them."""


def read_train_log(path: Path) -> History:
    """The history in the log file at `path`; bytes that are not UTF-8 are passed over."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return parse_train_log(lines)


def parse_train_log(lines: Iterable[str]) -> History:
    """The history in fairseq's log lines.

    A resumed run logs updates again that it had lost: of points with the same number of updates the last one counts.
    """
    train: dict[int, LogPoint] = {}
    valid: dict[int, LogPoint] = {}
    own, begun = "", dict[str, int]()
    for line in lines:
        if line.startswith("{'_name'") and (told := _LOG_FILE.search(line)):
            own = told[1]
        stats = _stats(line)
        for target, updates_key, loss_key in ((train, "num_updates", "loss"), (valid, "valid_num_updates", "valid_loss")):
            point = _point(stats, updates_key, loss_key)
            if point is not None:
                target[point.updates] = point
                begun.setdefault(own, point.updates)
    return History(_by_updates(train), _by_updates(valid), _another(begun))


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


def _point(stats: dict[str, Any], updates_key: str, loss_key: str) -> LogPoint | None:
    updates, loss = _number(stats.get(updates_key)), _number(stats.get(loss_key))
    flops = _number(stats.get("flops"))
    if updates is None or not math.isfinite(updates) or updates < 0 or loss is None:
        return None
    return LogPoint(int(updates), loss, flops if flops is not None and math.isfinite(flops) else None)


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
    return History([_placed(point, anchors) for point in train], [_placed(point, anchors) for point in valid])


def _placed(point: LogPoint, anchors: list[tuple[int, float]]) -> LogPoint:
    return point if point.flops is not None else LogPoint(point.updates, point.loss, _interpolate(point.updates, anchors))


def _interpolate(x: float, anchors: list[tuple[int, float]]) -> float:
    """Straight line between neighbouring anchors (at least one, by rising x); the last value beyond them."""
    before = [a for a in anchors if a[0] <= x][-1]
    after = next((a for a in anchors if a[0] > x), None)
    if after is None:
        return before[1]
    return before[1] + (after[1] - before[1]) * (x - before[0]) / (after[0] - before[0])
