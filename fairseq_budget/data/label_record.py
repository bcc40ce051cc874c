"""The record beside label files: how they were made, and at which rate."""

from __future__ import annotations

import json
from pathlib import Path

from fairseq_budget.errors import BudgetError

RECORD_NAME = "labels.json"


def read_label_rate(folder: Path) -> float:
    """Labels per second of the label files in a folder.

    Raises:
        BudgetError: there is no record, or it doesn't tell.
    """
    path = folder / RECORD_NAME
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["label_rate"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BudgetError(
            f"{path} doesn't tell the label rate: make the labels with `fairseq-budget labels`, or set `task.label_rate`"
        ) from None
