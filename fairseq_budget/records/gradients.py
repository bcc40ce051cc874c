"""The record of how far the gradients of random batches are apart at some checkpoints."""

from __future__ import annotations

from typing import ClassVar

from fairseq_budget.records.base import Entries, Measured, Name, Number, Record


class GradientDeviation(Entries):
    """A checkpoint and a size of batch (`diagnostics/gradients/deviation.py`)."""

    checkpoint: Name
    updates: Number
    seconds: Number
    """Audio of a batch."""
    deviation: Number
    """Of a parameter's gradient over batches, the mean over parameters."""
    norm: Measured = None
    critical_seconds: Measured = None
    """The batch whose noise is as large as the gradient."""


class GradientRecord(Record):
    """Deviations at some checkpoints."""

    KIND: ClassVar[str] = "gradients"

    results: list[GradientDeviation]
