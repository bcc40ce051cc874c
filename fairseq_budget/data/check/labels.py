"""Checking label files, their dictionary and their record against the manifests.

The text is read line by line, so that every bad line is found: the trainer's own reader stops at the first.

Letters in shapes: N utterances, F labels of an utterance, K labels in the dictionary.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.check.findings import Findings
from fairseq_budget.data.label_record import RECORD_NAME, LabelRecord, read_record
from fairseq_budget.data.labels import DICTIONARY_NAME, TOLERANCE_SECONDS, read_dictionary
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError

_RATES = (100.0, 50.0, 25.0)
"""Label rates that are tried where none is known or the known one doesn't fit: MFCC's, HuBERT's, and half of that."""

_DOMINANT = 0.5
"""Share of all frames from which on one label is too many."""


@dataclass
class LabelCounts:
    """What one split's labels add up to.

    Shape: `histogram` (K,) frames of each label of the dictionary, `lengths` (N,) labels of each line, -1 for a bad one.
    """

    histogram: np.ndarray
    lengths: np.ndarray
    unknown: int

    def add(self, labels: np.ndarray) -> tuple[str, str] | None:
        """Count one line; the kind of problem it has, and a detail.  Shape: (F,)"""
        clusters = len(self.histogram)
        if not len(labels):
            return "label_empty", "no labels"
        if not clusters:
            return None
        known = labels[labels < clusters]
        self.histogram += np.bincount(known, minlength=clusters)
        if len(known) == len(labels):
            return None
        self.unknown += len(labels) - len(known)
        return (
            "label_unknown",
            f"{len(labels) - len(known)} of {len(labels)}, such as {labels.max()}; the dictionary has 0 to {clusters - 1}",
        )

    @property
    def unknown_share(self) -> float:
        """Share of the frames whose label isn't in the dictionary."""
        return self.unknown / max(int(self.histogram.sum()) + self.unknown, 1)

    @property
    def perplexity(self) -> float:
        """exp(entropy) of the histogram: as many labels as often as each other would be as hard to guess."""
        share = self.histogram[self.histogram > 0] / max(self.histogram.sum(), 1)
        return float(np.exp(-(share * np.log(share)).sum()))


@dataclass(frozen=True)
class LabelFolder:
    """Where labels are: `folder`/SPLIT.`ending`, the dictionary and the record."""

    folder: Path
    ending: str

    def text(self, split: str) -> Path:
        """The label file of a split."""
        return self.folder / f"{split}.{self.ending}"

    def exists(self, splits: list[str]) -> bool:
        """Whether there's anything that belongs to labels."""
        paths = [self.folder / DICTIONARY_NAME, self.folder / RECORD_NAME, *map(self.text, splits)]
        return any(path.exists() for path in paths)


def check_labels(
    labels: LabelFolder, manifests: dict[str, Manifest], training: str, rate: float | None, findings: Findings
) -> dict[str, LabelCounts]:
    """Check the labels of all splits, and the histogram of the `training` split's.

    `rate` labels a second, None: what the record says.
    """
    record = _record(labels, rate, findings)
    clusters = _dictionary(labels, record, findings)
    rate = rate or (record.rate if record else None)
    counts = {}
    for split, manifest in manifests.items():
        path = labels.text(split)
        if not path.is_file() or path.stat().st_size == 0:
            findings.add("label_file", split, None, f"{path.name} is missing or empty")
            continue
        counts[split], sha256 = _read(path, split, len(manifest), clusters, findings)
        if record is not None:
            _check_origin(record, split, sha256, manifest, findings)
        if len(counts[split].lengths) != len(manifest):
            detail = f"{path.name} has {len(counts[split].lengths):,} lines, {split}.tsv has {len(manifest):,} rows"
            findings.add("label_file", split, None, detail)
        else:
            _check_lengths(split, counts[split].lengths, manifest.frames, rate, findings)
    if training in counts:
        _check_histogram(training, counts[training].histogram, findings)
    return counts


def _dictionary(labels: LabelFolder, record: LabelRecord | None, findings: Findings) -> int:
    """Number of labels in the dictionary; 0 if it can't be used."""
    path = labels.folder / DICTIONARY_NAME
    try:
        clusters = read_dictionary(path)
    except (BudgetError, UnicodeDecodeError) as error:
        findings.add("dictionary", None, None, str(error))
        return 0
    if not clusters:
        findings.add("dictionary", None, None, f"`{path}` is empty")
    elif record is not None and clusters != record.content.get("clusters", clusters):
        told = record.content["clusters"]
        findings.add("dictionary", None, None, f"`{path}` has {clusters} labels, {RECORD_NAME} tells of {told}")
    return clusters


def _record(labels: LabelFolder, rate: float | None, findings: Findings) -> LabelRecord | None:
    try:
        record = read_record(labels.folder)
    except BudgetError as error:
        findings.add("label_record", None, None, str(error))
        return None
    if record is None and rate is None:
        findings.add("label_origin", None, None, f"{RECORD_NAME} isn't there, which tells the label rate and the codebook")
    return record


def _read(path: Path, split: str, rows: int, clusters: int, findings: Findings) -> tuple[LabelCounts, str]:
    """Count a file's labels; bad lines are found, but none beyond the manifest's rows.  Also the SHA-256 of the text."""
    counts = LabelCounts(np.zeros(clusters, np.int64), np.empty(0, np.int64), 0)
    lengths = array("q")
    sha256 = hashlib.sha256()
    with path.open("rb") as lines:
        for row, line in enumerate(tracked(lines, f"reading {path.name}", None)):
            sha256.update(line)
            labels, strange = _parse(line)
            lengths.append(-1 if strange else len(labels))
            found = ("label_text", f"found `{strange}`") if strange else counts.add(labels)
            if found is not None and row < rows:
                findings.add(found[0], split, row, f"{path.name}, line {row + 1}: {found[1]}")
    counts.lengths = np.array(lengths, dtype=np.int64)
    return counts, sha256.hexdigest()


def _parse(line: bytes) -> tuple[np.ndarray, str]:
    """The labels of a line, and the beginning of what isn't a label in it.  Shape: -> (F,) int64"""
    line = line.strip()
    if strange := line.translate(None, b"0123456789 "):
        return np.empty(0, np.int64), strange[:20].decode(errors="replace")
    return np.fromstring(line, dtype=np.int64, sep=" "), ""


def _check_origin(record: LabelRecord, split: str, sha256: str, manifest: Manifest, findings: Findings) -> None:
    try:
        record.check_split(split, sha256, manifest)
    except BudgetError as error:
        findings.add("codebook", split, None, str(error))


def _check_lengths(split: str, lengths: np.ndarray, frames: np.ndarray, rate: float | None, findings: Findings) -> None:
    """Shape: lengths (N,), frames (N,)"""
    good = lengths > 0
    if not good.any():
        return
    rates = _RATES if rate is None else (rate, *_RATES)
    shares = {candidate: float(_fits(lengths[good], frames[good], candidate).mean()) for candidate in rates}
    best = max(shares, key=lambda candidate: shares[candidate])
    stated = best if rate is None else rate
    if shares[stated] < 0.5 or shares[best] < 0.5:
        fit = f"those of {split} fit {best:g}" if shares[best] >= 0.5 else f"those of {split} fit none of the usual rates"
        findings.add("label_rate", split, None, f"{stated:g} labels a second are expected, {fit}")
        return
    for row in np.flatnonzero(good & ~_fits(lengths, frames, stated)).tolist():
        seconds, audio_seconds = lengths[row] / stated, frames[row] / SAMPLE_RATE
        findings.add("label_length", split, row, f"{seconds:.2f} s of labels for {audio_seconds:.2f} s of audio")


def _fits(lengths: np.ndarray, frames: np.ndarray, rate: float) -> np.ndarray:
    """Which rows are as long as their audio, as the trainer sees it.  Shape: (N,), (N,) -> (N,)"""
    return np.abs(lengths / rate - frames / SAMPLE_RATE) <= TOLERANCE_SECONDS


def _check_histogram(split: str, histogram: np.ndarray, findings: Findings) -> None:
    """Shape: (K,)"""
    if not histogram.any():
        return
    if dead := int((histogram == 0).sum()):
        findings.add("dead", split, None, f"{dead} of {len(histogram)}: {_some(np.flatnonzero(histogram == 0).tolist())}")
    share = histogram.max() / histogram.sum()
    if share > _DOMINANT and len(histogram) > 1:
        findings.add("dominant", split, None, f"label {histogram.argmax()} has {100 * share:.0f}% of the frames")


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")


def lines_of(path: Path, rows: np.ndarray) -> Iterator[bytes]:
    """The lines of a label file that belong to some rows, in rising order, as they stand there.  Shape: rows (R,)"""
    wanted = iter(rows.tolist())
    row = next(wanted, None)
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            if number == row:
                yield line.rstrip(b"\r\n") + b"\n"
                row = next(wanted, None)
