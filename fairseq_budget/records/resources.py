"""The record of what a step takes: seconds, memory and FLOPs by length, batch and precision."""

from __future__ import annotations

from typing import ClassVar

from fairseq_budget.records.base import Entries, Measured, Name, Number, Record


class StepResources(Entries):
    """One length, batch and precision (`bench/grid.py`)."""

    seconds: Number
    """Of each utterance."""
    utterances: Number
    precision: Name
    flops: Number
    out_of_memory: bool
    step_seconds: Measured = None
    peak_bytes: Measured = None


class ResourcesRecord(Record):
    """A grid of steps on one machine."""

    KIND: ClassVar[str] = "resources"

    objective: Name
    size: str | None = None
    device: Name
    results: list[StepResources]
