"""HuBERT's label files as fairseq has them: ``<split>.km`` (a line of integers per utterance) and ``dict.km.txt``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.errors import BudgetError

DICTIONARY_NAME = "dict.km.txt"
TOLERANCE_SECONDS = 0.1
"""How much audio and labels of an utterance may differ, as in fairseq's ``verify_label_lengths``."""

_SCAN_BYTES = 1 << 24
_NEWLINE = ord("\n")


class LabelFile:
    """Random access to the labels of one split; in memory stand only the byte offsets of the lines.

    Opening reads the file once; it is mapped, not loaded, and mapped anew in every process that receives a copy.

    Raises:
        BudgetError: the file is missing or empty; on access, a line that holds anything but labels of the dictionary.
    """

    def __init__(self, path: Path | str, num_labels: int) -> None:
        self.path = Path(path)
        self.num_labels = num_labels
        self._bytes = _map(self.path)
        self._ends = _line_ends(self._bytes)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> np.ndarray:
        """Labels of one utterance.  Shape: (frames,), int64"""
        start = self._ends[index - 1] + 1 if index else 0
        line = self._bytes[start : self._ends[index]].tobytes().strip()
        if strange := line.translate(None, b"0123456789 "):
            raise self._error(index, f"expected integers and spaces, found `{strange[:20].decode(errors='replace')}`")
        labels = np.fromstring(line, dtype=np.int64, sep=" ")
        if labels.size and labels.max() >= self.num_labels:
            raise self._error(
                index,
                f"label {labels.max()} is not in the dictionary of {self.num_labels} labels; "
                f"make {self.path.name} and {DICTIONARY_NAME} together",
            )
        return labels

    def _error(self, index: int, problem: str) -> BudgetError:
        return BudgetError(f"`{self.path}`, line {index + 1}: {problem}")

    def __getstate__(self) -> dict[str, Any]:
        """A worker process gets the offsets, not the file's content."""
        return {name: value for name, value in self.__dict__.items() if name != "_bytes"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._bytes = _map(self.path)

    def check(self, samples: Sequence[int], label_rate: float, sample_rate: int = SAMPLE_RATE) -> None:
        """Compare every line with the manifest's row: ``samples`` of audio each, ``label_rate`` labels a second.

        Raises:
            BudgetError: another number of lines than rows, a length off by more than 0.1 s, a label out of range.
        """
        if len(self) != len(samples):
            raise BudgetError(
                f"`{self.path}`: {len(self)} lines for {len(samples)} rows of the manifest; make labels for this manifest"
            )
        for index, audio_samples in enumerate(samples):
            audio_seconds, label_seconds = audio_samples / sample_rate, len(self[index]) / label_rate
            if abs(audio_seconds - label_seconds) > TOLERANCE_SECONDS:
                raise self._error(
                    index,
                    f"{label_seconds:.2f} s of labels at {label_rate:g} Hz for {audio_seconds:.2f} s of audio; "
                    "check `label_rate`, or make the labels again",
                )


def label_span(start_sample: int, num_samples: int, label_rate: float, sample_rate: int = SAMPLE_RATE) -> range:
    """The label frames that belong to a crop of the audio, rounded as in fairseq's ``HubertDataset``."""
    labels_per_sample = label_rate / sample_rate
    start = round(start_sample * labels_per_sample)
    return range(start, start + round(num_samples * labels_per_sample))


def crop_labels(
    labels: np.ndarray,
    start_sample: int,
    num_samples: int,
    label_rate: float,
    frames_wanted: int | None = None,
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    """Cut the labels of one utterance as its audio was cut.

    At the end of an utterance there may be fewer labels than the crop is long (the last window does not fit); all
    rows of an unpadded batch then take the shortest row's number, ``frames_wanted``.  Labels stay at their own rate:
    bringing 100 Hz labels to the model's 50 Hz is the model's part.

    Shape: (frames,) -> (at most the crop's frames or ``frames_wanted``,)
    """
    span = label_span(start_sample, num_samples, label_rate, sample_rate)
    cropped = labels[span.start : span.stop]
    return cropped if frames_wanted is None else cropped[:frames_wanted]


def write_labels(path: Path, utterances: Iterable[np.ndarray]) -> None:
    """Write one line per utterance; the file appears under its name only when it is complete."""
    with atomic(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(" ".join(map(str, labels.tolist())) + "\n" for labels in utterances)


def write_dictionary(path: Path, num_labels: int) -> None:
    """Write fairseq's dictionary of the labels 0 to ``num_labels`` - 1, each with a count of 1."""
    with atomic(path) as partial:
        partial.write_text("".join(f"{label} 1\n" for label in range(num_labels)), encoding="utf-8")


def read_dictionary(path: Path) -> int:
    """Number of labels in a dictionary.

    Raises:
        BudgetError: the file is missing, or its lines are not ``0 count``, ``1 count``, ... in this order, without
            which a label would not be its own index.
    """
    if not path.is_file():
        raise BudgetError(f"`{path}` is not there: run `fairseq-budget labels`, or copy it from where the labels are")
    lines = path.read_text(encoding="utf-8").splitlines()
    for index, line in enumerate(lines):
        if line.split()[:1] != [str(index)]:
            raise BudgetError(f"`{path}`, line {index + 1}: expected label `{index}` and a count, found `{line}`")
    return len(lines)


def _map(path: Path) -> np.ndarray:
    if not path.is_file() or path.stat().st_size == 0:
        raise BudgetError(f"`{path}` is missing or empty: run `fairseq-budget labels`, or correct the folder")
    return np.memmap(path, dtype=np.uint8, mode="r")


def _line_ends(content: np.ndarray) -> np.ndarray:
    """Offset of the byte after each line, where its newline stands or the file ends.  Shape: (lines,), int64"""
    starts = range(0, len(content), _SCAN_BYTES)
    ends = [np.flatnonzero(content[start : start + _SCAN_BYTES] == _NEWLINE) + start for start in starts]
    if content[-1] != _NEWLINE:
        ends.append(np.array([len(content)]))
    return np.concatenate(ends).astype(np.int64)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A name to write to; the file takes its own name only when everything went well, and is gone otherwise."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
