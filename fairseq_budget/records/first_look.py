"""The record of a first look at checkpoints: what their features tell before any task is trained on them."""

from __future__ import annotations

from typing import ClassVar

from fairseq_budget.records.base import Entries, Measured, Name, Record


class LookEntry(Entries):
    """Measures of a checkpoint's layers, by name (`diagnostics/ranks/look.py`); the first is the Transformer's input."""

    checkpoint: Name
    upstream: Name
    utterances: int
    frames: int
    layers: list[dict[str, Measured]]


class FirstLookRecord(Record):
    """Some checkpoints, on the same utterances."""

    KIND: ClassVar[str] = "first_look"

    measures: dict[str, str]
    """What each measure is called in tables."""
    results: list[LookEntry]
