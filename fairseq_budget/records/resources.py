"""Records of what a step takes: by length, batch and precision, and of SUPERB's tasks."""

from __future__ import annotations

from statistics import fmean, median
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


class DownstreamBatch(Entries):
    """A training batch of a task; no seconds where memory ran out."""

    utterances: Number
    audio_seconds: Number
    step_seconds: Measured = None


class DownstreamResourcesRecord(Record):
    """Training batches of a task on one machine, with the upstream frozen or trained."""

    KIND: ClassVar[str] = "downstream-resources"

    task: Name
    upstream: Name
    unfrozen: bool
    device: Name
    batches: list[DownstreamBatch]
    peak_bytes: Measured = None
    """Beyond what the process had before the upstream was built."""
    memory: list[list[Number]] = []
    """Pairs of seconds and bytes, from there on."""

    @property
    def step_seconds(self) -> float | None:
        """The median; None where memory ran out."""
        known = [one.step_seconds for one in self.batches]
        return None if None in known or not known else median(value for value in known if value is not None)

    @property
    def utterances(self) -> float:
        """Of a batch, the mean."""
        return fmean(one.utterances for one in self.batches)

    @property
    def audio_seconds(self) -> float:
        """Of a batch, the mean."""
        return fmean(one.audio_seconds for one in self.batches)
