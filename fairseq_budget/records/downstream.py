"""The record of a downstream run: of one training, of a trial of a sweep, or of a sweep's task."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from fairseq_budget.records.base import Entries, Measured, Name, Number, Record, renamed


class Sweep(Entries):
    """How a sweep was made."""

    rates: list[float] = []
    selected_on: str | None = None
    halving: bool = False
    official: bool | None = None
    changed: dict[str, Any] = {}
    """Settings that differ from the official recipe's."""


class Incomplete(Entries):
    """How many files of a corpus weren't there."""

    missing: int
    of: int
    such_as: list[str] = []

    def __str__(self) -> str:
        return f"incomplete corpus ({self.missing} of {self.of} files missing)"


def padded(share: float) -> str:
    """What padding did to an upstream's features, in words; `share` is of their largest value."""
    return f"padded batches change this upstream's features, by {share:.1%} of the largest value: see `--one-by-one`"


class DownstreamRecord(Record):
    """A task of an upstream.

    `dev` and `test` are s3prl's own numbers, which times `factor` are in `unit`; `scores` are those of the papers' tables,
    by column.
    """

    KIND: ClassVar[str] = "downstream"

    task: Name
    upstream: Name
    objective: Name
    size: str | None = None
    checkpoint: str | None = None
    unfrozen: bool = False
    """The upstream was trained, too."""
    upstream_lr: Measured = None
    """Its learning rate, where a sweep gave it one of its own."""
    metric: str | None = None
    higher_is_better: bool = True
    factor: Number | None = None
    unit: str | None = None
    dev: Measured = None
    test: Measured = None
    step: Measured = None
    steps: Measured = None
    lr: Measured = None
    scores: dict[str, Measured] = {}
    wall_seconds: Measured = None
    incomplete: Incomplete | None = None
    """The corpus lacked files: the score can't be compared with others."""
    corpus: dict[str, Any] | None = None
    """Of a corpus of one's own, what it is and how it was divided."""
    padding: Measured = None
    """By how much of its largest value a padded batch changed the upstream's features, where that is noticeable."""
    one_by_one: bool = False
    """The upstream ran on one utterance at a time."""
    hidden_states: str | None = None
    """The precision that a store rounded them to before the head was given them; None where it rounded nothing."""
    error: str | None = None
    """Why there is no score."""
    sweep: Sweep | None = None
    spent: Annotated[dict[str, Any] | None, BeforeValidator(renamed)] = None
    chosen: bool | None = None
    """Of a trial, whether it is the task's result."""
    cells: list[dict[str, Any]] | None = None
    """Of a sweep's task, a line for each trial (called cells before 0.4.0, and in the file still)."""

    @property
    def is_trial(self) -> bool:
        """Whether this is one of a sweep's trials, whose task has a record of its own."""
        return self.chosen is not None and self.cells is None

    @property
    def finished(self) -> bool:
        """Whether there is a score to compare."""
        return self.error is None and self.test is not None

    @property
    def in_units(self) -> tuple[float, str]:
        """What s3prl's numbers are multiplied by, and the unit that they're in then; records before 0.3.0 have neither."""
        if self.factor is not None:
            return self.factor, self.unit or ""
        return (100.0, "%") if self.metric == "acc" else (1.0, "")
