"""Kinds of problems, and what was found of each.

A finding belongs to a row of a manifest, to a split, or to the whole folder.  A corpus may have as many as it has rows,
so they're kept in columns of numbers, equal texts once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class FindingKind:
    """A kind of problem: an error spoils training, a warning is worth knowing; and what to do about it."""

    level: str
    title: str
    remedy: str


_REMAKE = "make the manifest again with `fairseq-budget manifest`"
_RELABEL = "make the labels again with `fairseq-budget labels`"
_LEAVE_OUT = "copy the file again, or leave the row out (`--fix`)"

KINDS = {
    "manifest": FindingKind(ERROR, "the manifest can't be used", _REMAKE),
    "missing": FindingKind(ERROR, "the file isn't there", "mend the path, or leave the row out (`--fix`)"),
    "unreadable": FindingKind(ERROR, "the file can't be read as audio", _LEAVE_OUT),
    "nan": FindingKind(ERROR, "NaN or infinite samples", "repair the file, or leave the row out (`--fix`)"),
    "length": FindingKind(ERROR, "not as long as the manifest says", _REMAKE),
    "silence": FindingKind(ERROR, "silence", "leave the row out (`--fix`)"),
    "duplicate": FindingKind(ERROR, "the same audio twice in a split", "leave the later row out (`--fix`)"),
    "leak": FindingKind(ERROR, "the same audio in two splits", "leave it out of the training split (`--fix`)"),
    "clipping": FindingKind(WARNING, "clipped", "record it again at a lower level, or leave it out (`--strict --fix`)"),
    "short": FindingKind(WARNING, "shorter than what is trained on", "nothing: it is left out (`task.min_sample_size`)"),
    "long": FindingKind(WARNING, "longer than the longest crop", "nothing to do: another part of it is heard in each epoch"),
    "rate": FindingKind(WARNING, "not 16 kHz", "resample it once, or let it be resampled each time that it's read"),
    "channels": FindingKind(WARNING, "more than one channel", "nothing to do, if their average is what is meant"),
    "speakers": FindingKind(WARNING, "the same speakers in two splits", "nothing to do, if validation may know them"),
    "dictionary": FindingKind(ERROR, "the dictionary of labels can't be used", _RELABEL),
    "label_file": FindingKind(ERROR, "the label file doesn't fit the manifest", _RELABEL),
    "label_text": FindingKind(ERROR, "a line that isn't labels", _RELABEL + ", or leave the row out (`--fix`)"),
    "label_empty": FindingKind(ERROR, "a row without labels", _RELABEL + ", or leave the row out (`--fix`)"),
    "label_unknown": FindingKind(ERROR, "labels that aren't in the dictionary", "make labels and dictionary together"),
    "label_length": FindingKind(ERROR, "labels not as long as the audio", _RELABEL + ", or leave the row out (`--fix`)"),
    "label_rate": FindingKind(ERROR, "another label rate than the record's", "correct the rate, or " + _RELABEL),
    "label_record": FindingKind(ERROR, "the record of the labels can't be used", _RELABEL),
    "label_origin": FindingKind(WARNING, "labels of unknown origin", "set `task.label_rate`: there's no record beside them"),
    "codebook": FindingKind(ERROR, "labels that aren't from one codebook", _RELABEL + " for all splits together"),
    "dead": FindingKind(WARNING, "labels that are never used", "fewer clusters, or a larger share to fit them on"),
    "dominant": FindingKind(WARNING, "one label has most of the frames", "listen: silence, hum or a fault in the features?"),
}


class Finding(NamedTuple):
    """One problem; `row` counts from 0 and is None for a whole split, `split` is None for the whole folder."""

    split: str | None
    row: int | None
    detail: str


class Findings:
    """Everything that was found, by kind."""

    def __init__(self, strict: bool = False) -> None:
        """`strict`: warnings are errors."""
        self.strict = strict
        self._splits: list[str | None] = [None]
        self._details: dict[str, int] = {}
        self._columns: dict[str, tuple[array[int], array[int], array[int]]] = {}

    def add(self, kind: str, split: str | None, row: int | None, detail: str) -> None:
        """Take note of one problem."""
        if split not in self._splits:
            self._splits.append(split)
        columns = self._columns.setdefault(kind, (array("B"), array("q"), array("q")))
        number = self._details.setdefault(detail, len(self._details))
        for column, value in zip(columns, (self._splits.index(split), -1 if row is None else row, number), strict=True):
            column.append(value)

    def count(self, kind: str) -> int:
        """How many there are of a kind."""
        return len(self._columns[kind][0]) if kind in self._columns else 0

    def of(self, kind: str) -> Iterator[Finding]:
        """All of a kind, in the order in which they were found."""
        details = list(self._details)
        for split, row, detail in zip(*self._columns.get(kind, ()), strict=True):
            yield Finding(self._splits[split], None if row < 0 else row, details[detail])

    def kinds(self, level: str) -> list[str]:
        """The kinds of a level of which there are any, in the order of ``KINDS``."""
        return [kind for kind in KINDS if self.count(kind) and self.level(kind) == level]

    def level(self, kind: str) -> str:
        """Error or warning."""
        return ERROR if self.strict else KINDS[kind].level

    def bad_rows(self, split: str) -> np.ndarray:
        """The rows of a split with an error, each once, in rising order.  Shape: (R,) int64"""
        rows = [np.empty(0, np.int64)]
        for kind in self.kinds(ERROR):
            splits, places, _ = (np.array(column, dtype=np.int64) for column in self._columns[kind])
            rows.append(places[(splits == self._index(split)) & (places >= 0)])
        return np.unique(np.concatenate(rows))

    def beyond_rows(self) -> list[str]:
        """Kinds of errors, of which some can't be mended by leaving rows out."""
        return [kind for kind in self.kinds(ERROR) if any(row < 0 for row in self._columns[kind][1])]

    def _index(self, split: str) -> int:
        return self._splits.index(split) if split in self._splits else -1
