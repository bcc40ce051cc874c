"""Which test items a downstream run got right, from the files that s3prl writes beside its record."""

from __future__ import annotations

from pathlib import Path

from fairseq_budget.errors import BudgetError
from fairseq_budget.records.base import FILE
from fairseq_budget.records.downstream import DownstreamRecord


def right_items(folder: Path) -> dict[str, float]:
    """By name, 1 for each test item whose label was predicted and 0 for others; empty where the task leaves no such files.

    s3prl's classifiers write a line ``NAME LABEL`` for each item into ``test_predict.txt`` and ``test_truth.txt``; of a
    sweep they are in the folder of the trial that was chosen.
    """
    predicted, truth = (_labels(_chosen(folder) / f"test_{what}.txt") for what in ("predict", "truth"))
    if predicted.keys() != truth.keys():
        return {}
    return {name: float(label == truth[name]) for name, label in predicted.items()}


def _chosen(folder: Path) -> Path:
    for path in sorted(folder.glob(f"*/{FILE}")):
        try:
            if DownstreamRecord.read(path).chosen:
                return path.parent
        except BudgetError:
            continue  # a damaged trial leaves the score as it is
    return folder


def _labels(path: Path) -> dict[str, str]:
    """Lines that are no pairs, or names that come twice, make the file no such one."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return {}
    if any(len(row) != 2 for row in rows) or len({row[0] for row in rows}) < len(rows):
        return {}
    return {name: label for name, label in rows}
