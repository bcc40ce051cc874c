"""Labels as numbers that can be mapped into memory: ``<split>.km.bin`` beside fairseq's text, a copy of it (`copies.py`).

Reading a large corpus's labels as text takes minutes and would have to be done at every start; so would hashing all their
numbers (37 GB of 30 million utterances).  The copy's seal covers the places and a checksum of each utterance's labels,
which is compared when these are read; where it differs, the copy is made again from the text.

Layout, little-endian: a header (``copies.HEADER``; it counts utterances, labels, and tells the largest label), N * F labels
in 2 bytes each, fill to a multiple of 8 bytes, N + 1 places (8 bytes each) where an utterance's labels begin, the last being
the end, and N CRC-32 (4 bytes each).

Letters in shapes: N utterances, F labels of an utterance.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fairseq_budget.data.copies import HEADER, CopyKind, mapped
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic

logger = logging.getLogger(__name__)

MAX_LABELS = 2**16
"""Labels are stored in two bytes; the papers have 500 at most."""

_ALIGNMENT = 8


def _places(labels: int) -> int:
    """Byte at which the places begin."""
    end = HEADER.itemsize + 2 * labels
    return end + -end % _ALIGNMENT


def _checksums(utterances: int, labels: int) -> int:
    """Byte at which the checksums begin."""
    return _places(labels) + 8 * (utterances + 1)


COPY = CopyKind(
    b"FBLABEL3",
    ".bin",
    size=lambda counts: _checksums(int(counts[0]), int(counts[1])) + 4 * int(counts[0]),
    sealed=lambda counts: HEADER.itemsize + 2 * int(counts[1]),
)


class BinaryLabels:
    """The content of a binary file, mapped: ``values`` (N * F,) uint16, ``starts`` (N + 1,) int64; and the text's hash."""

    def __init__(self, text: Path, header: np.void) -> None:
        utterances, count, self.largest = header["counts"].tolist()
        self.text, self.sha256 = text, bytes(header["text_sha256"]).hex()
        path = binary_path(text)
        self.values = mapped(path, "<u2", HEADER.itemsize, (count,))
        self.starts = mapped(path, "<i8", _places(count), (utterances + 1,))
        self._checksums = mapped(path, "<u4", _checksums(utterances, count), (utterances,))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Shape: (F,) uint16.

        Raises:
            BudgetError: they are damaged and can't be made again from the text.
        """
        found = self._read(index)
        if found is None:
            logger.warning("`%s` is damaged, and made again from the text", binary_path(self.text))
            _convert(self.text)
            self.__dict__ |= open_labels(self.text).__dict__
            found = self._read(index)
        if found is None:
            raise BudgetError(f"`{binary_path(self.text)}` cannot be read back: is the disk full, or failing?")
        return found

    def _read(self, index: int) -> np.ndarray | None:
        found = self.values[self.starts[index] : self.starts[index + 1]]
        return found if zlib.crc32(found.data) == self._checksums[index] else None


def open_labels(text: Path) -> BinaryLabels:
    """The labels of a text file, out of its binary copy; the copy is made where it is missing or of another text.

    Raises:
        BudgetError: the text is missing or empty, holds anything but labels, or a copy has to be made and cannot be.
    """
    if not text.is_file() or text.stat().st_size == 0:
        raise BudgetError(f"`{text}` is missing or empty: run `fairseq-budget labels`, or correct the folder")
    header = COPY.header(text)
    if header is None:
        _convert(text)
        header = COPY.header(text)
    if header is None:
        raise BudgetError(f"`{binary_path(text)}` cannot be read back: is the disk full?")
    return BinaryLabels(text, header)


def binary_path(text: Path) -> Path:
    """Where the copy of a text file lies."""
    return COPY.path(text)


@contextmanager
def writing(text: Path) -> Iterator[LabelWriter]:
    """Write a label file and its binary copy, both all or nothing."""
    with atomic(binary_path(text)) as binary, atomic(text) as partial:
        with partial.open("wb") as lines, binary.open("wb") as numbers:
            writer = LabelWriter(numbers, lines)
            yield writer
        with binary.open("r+b") as numbers:
            writer.finish(numbers, partial)


class LabelWriter:
    """Writes the labels of one utterance after the other, as numbers and, given `lines`, also as text."""

    def __init__(self, numbers: BinaryIO, lines: BinaryIO | None = None) -> None:
        self._numbers, self._lines = numbers, lines
        self._hash = hashlib.sha256()
        # arrays of bytes: a list's numbers would take nine times as much
        self._lengths, self._checksums = bytearray(), bytearray()
        self._largest = -1
        numbers.write(bytes(HEADER.itemsize))

    def add(self, labels: np.ndarray) -> None:
        """Shape: (F,) integers from 0"""
        if self._lines is not None:
            line = (" ".join(map(str, labels.tolist())) + "\n").encode("ascii")
            self._lines.write(line)
            self._hash.update(line)
        if labels.size:
            self._largest = max(self._largest, int(labels.max()))
        content = labels.astype("<u2").tobytes()
        self._lengths += len(labels).to_bytes(4, "little")
        self._checksums += zlib.crc32(content).to_bytes(4, "little")
        self._numbers.write(content)

    def hash(self, line: bytes) -> None:
        """Take note of a line of a text that is there already."""
        self._hash.update(line)

    def finish(self, numbers: BinaryIO, text: Path) -> None:
        """Add the places, the checksums and the header; `text` is complete."""
        starts = np.concatenate([[0], np.cumsum(np.frombuffer(self._lengths, "<u4"), dtype="<i8")]).astype("<i8")
        labels = int(starts[-1])
        end = HEADER.itemsize + 2 * labels
        numbers.seek(end)
        own = hashlib.sha256()
        for content in (bytes(_places(labels) - end), starts.tobytes(), bytes(self._checksums)):
            own.update(content)
            numbers.write(content)
        counts = [len(starts) - 1, labels, self._largest]
        COPY.write_header(numbers, text.stat(), self._hash.digest(), counts, own)


def _convert(text: Path) -> None:
    """Make the binary copy of a text."""
    binary = binary_path(text)
    try:
        with atomic(binary) as partial, partial.open("wb") as numbers, text.open("rb") as lines:
            writer = LabelWriter(numbers)
            for number, line in enumerate(tracked(lines, f"reading {text.name}", None), start=1):
                writer.hash(line)
                writer.add(_parse(text, number, line.strip()))
            writer.finish(numbers, text)
    except OSError as error:
        raise BudgetError(
            f"`{binary}`, a copy of the labels that can be mapped into memory, cannot be written ({error.strerror}): "
            "copy the labels to a folder of yours and name it as `task.label_dir`"
        ) from error


def _parse(text: Path, number: int, line: bytes) -> np.ndarray:
    """Shape: -> (F,) int64"""
    if strange := line.translate(None, b"0123456789 "):
        raise BudgetError(
            f"`{text}`, line {number}: expected integers and spaces, found `{strange[:20].decode(errors='replace')}`"
        )
    labels = np.fromstring(line, dtype=np.int64, sep=" ")
    if labels.size and labels.max() >= MAX_LABELS:
        raise BudgetError(f"`{text}`, line {number}: label {labels.max()} is above {MAX_LABELS - 1}: make fewer clusters")
    return labels
