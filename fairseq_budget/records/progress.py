"""Where a run is while it trains: a small file beside its record, replaced every minute or so."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from fairseq_budget.files import atomic
from fairseq_budget.records.base import Entries, Measured, Number

FILE = "progress.json"


class ProgressRecord(Entries):
    """What is spent, and how long the rest will take at the speed of this process."""

    share: Number
    """Of the budget."""
    updates: Number
    flops: Number
    hours_heard: Number
    flops_per_second: Measured = None
    """Model FLOPs of all ranks."""
    peak_share: Measured = None
    """Of the devices' peak, where it was given."""
    seconds_left: Measured = None
    price: Measured = None
    """Of the device-hours so far, where an hour's was given."""
    price_left: Measured = None
    """Of those that the rest will take."""
    loss: Measured = None
    """Smoothed, in the objective's unit."""

    def write(self, path: Path) -> None:
        """All or nothing; training doesn't wait for the disk."""
        with atomic(path, outlives_the_power=False) as partial:
            partial.write_text(json.dumps(self.model_dump()), encoding="utf-8")


def read_progress(path: Path) -> ProgressRecord | None:
    """What the file tells; None where there is none, or none that can be read: it's no result, and the run goes on."""
    try:
        return ProgressRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, ValidationError):
        return None
