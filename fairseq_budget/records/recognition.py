"""The record of recognising speech with a fine-tuned model, and of one set by one decoder in it."""

from __future__ import annotations

from typing import Any, ClassVar

from fairseq_budget.records.base import Entries, Measured, Name, Number, Record


class Recognised(Entries):
    """A set, as one decoder heard it; error rates in percent."""

    set: Name
    decoder: Name
    """``letters`` (the best path of units), or ``words``."""
    wer: Measured = None
    cer: Measured = None
    utterances: Number
    words: Number
    hours: Number


class RecognitionRecord(Record):
    """Error rates of a fine-tuned model on some sets."""

    KIND: ClassVar[str] = "recognition"

    objective: Name
    """Of pre-training; ``scratch`` where there was none."""
    size: str | None = None
    checkpoint: Name
    checkpoint_sha256: Name
    word_model: dict[str, Any] | None = None
    """File, digest, beam and weights; None where letters alone were read off."""
    results: list[Recognised]

    def wer(self, name: str, decoder: str) -> float | None:
        """Word error rate on a set, in percent; None where that wasn't measured."""
        found = [result.wer for result in self.results if (result.set, result.decoder) == (name, decoder)]
        return found[0] if found else None
