"""HuBERT's label files as fairseq has them: ``<split>.km`` (a line of integers per utterance) and ``dict.km.txt``.

Letters in shapes: N utterances, F labels of an utterance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.label_binary import BinaryLabels, open_labels, writing
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic

DICTIONARY_NAME = "dict.km.txt"
SPECIAL_SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>")
"""What fairseq puts in front of a dictionary's own symbols: cluster k is symbol k + 4."""
TOLERANCE_SECONDS = 0.1
"""How much audio and labels of an utterance may differ, as in fairseq's ``verify_label_lengths``."""


class LabelFile:
    """Random access to the labels of one split, mapped into memory anew in every process that receives a copy.

    The first opening of a text from elsewhere reads it once (``label_binary``); every other opening reads a header.

    Raises:
        BudgetError: the file is missing or empty, or holds anything but labels of the dictionary.
    """

    def __init__(self, path: Path | str, num_labels: int) -> None:
        self.path = Path(path)
        self.num_labels = num_labels
        self._labels: BinaryLabels = open_labels(self.path)
        self.sha256 = self._labels.sha256
        """Of the text."""
        if self._labels.largest >= num_labels:
            raise self._beyond_the_dictionary()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> np.ndarray:
        """Labels of one utterance.  Shape: (F,) int64"""
        return self._labels[index].astype(np.int64)

    @property
    def lengths(self) -> np.ndarray:
        """Labels of each utterance.  Shape: (N,) int64"""
        return np.diff(self._labels.starts)

    def _beyond_the_dictionary(self) -> BudgetError:
        where = int(np.flatnonzero(self._labels.values >= self.num_labels)[0])
        index = int(np.searchsorted(self._labels.starts, where, side="right")) - 1
        return self._error(
            index,
            f"label {self._labels.values[where]} is not in the dictionary of {self.num_labels} labels; "
            f"make {self.path.name} and {DICTIONARY_NAME} together",
        )

    def _error(self, index: int, problem: str) -> BudgetError:
        return BudgetError(f"`{self.path}`, line {index + 1}: {problem}")

    def __getstate__(self) -> dict[str, Any]:
        """A worker process gets the file's name and maps it itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_labels"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._labels = open_labels(self.path)
        if self._labels.sha256 != self.sha256:
            raise BudgetError(f"`{self.path}` was changed while it was in use: start again")

    def check(self, samples: Sequence[int] | np.ndarray, label_rate: float, sample_rate: int = SAMPLE_RATE) -> None:
        """Compare every line with the manifest's row: ``samples`` of audio each, ``label_rate`` labels a second.

        Raises:
            BudgetError: another number of lines than rows, or a length off by more than 0.1 s.
        """
        if len(self) != len(samples):
            raise BudgetError(
                f"`{self.path}`: {len(self)} lines for {len(samples)} rows of the manifest; make labels for this manifest"
            )
        audio_seconds, label_seconds = np.asarray(samples) / sample_rate, self.lengths / label_rate
        wrong = np.abs(audio_seconds - label_seconds) > TOLERANCE_SECONDS
        if wrong.any():
            index = int(wrong.argmax())
            raise self._error(
                index,
                f"{label_seconds[index]:.2f} s of labels at {label_rate:g} Hz for {audio_seconds[index]:.2f} s of audio; "
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
    """Write one line per utterance, and the binary copy; they appear under their names only when they are complete."""
    with writing(path) as writer:
        for labels in utterances:
            writer.add(labels)


def symbols(num_classes: int) -> list[str]:
    """Of fairseq's dictionary with so many symbols: its own special ones, then the clusters' numbers."""
    return [*SPECIAL_SYMBOLS, *map(str, range(num_classes - len(SPECIAL_SYMBOLS)))]


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
