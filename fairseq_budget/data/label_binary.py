"""Labels as numbers that can be mapped into memory: ``<split>.km.bin`` beside fairseq's text.

Reading a large corpus's labels as text takes minutes and would have to be done at every start.  The binary file is a
copy of the text, made with it or from it, and is never more than that: it holds the size, the time of change and the
SHA-256 of the text that it was made of, and is made again when the text is another one.  So it is when its own numbers
aren't those that were written, whose SHA-256 it holds, too.

Layout, little-endian: a header (``HEADER``), N * F labels in 2 bytes each, fill to a multiple of 8 bytes, N + 1 places
(8 bytes each) where an utterance's labels begin, the last being the end.

Letters in shapes: N utterances, F labels of an utterance.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic, sha256

MAX_LABELS = 2**16
"""Labels are stored in two bytes; the papers have 500 at most."""

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("text_size", "<u8"),
        ("text_changed_ns", "<u8"),
        ("text_sha256", "V32"),
        ("utterances", "<u8"),
        ("labels", "<u8"),
        ("largest", "<i8"),
        ("own_sha256", "V32"),
    ]
)
_MAGIC = b"FBLABEL2"
_TOLD = ("text_sha256", "utterances", "labels", "largest")
_ALIGNMENT = 8
_CHUNK = 2**22


class Labels:
    """The content of a binary file, mapped: ``values`` (N * F,) uint16, ``starts`` (N + 1,) int64; and the text's hash."""

    def __init__(self, path: Path, header: np.void) -> None:
        count, utterances = int(header["labels"]), int(header["utterances"])
        self.sha256, self.largest = bytes(header["text_sha256"]).hex(), int(header["largest"])
        self.values = _map(path, "<u2", HEADER.itemsize, count)
        self.starts = _map(path, "<i8", _places(count), utterances + 1)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Shape: (F,) uint16"""
        return self.values[self.starts[index] : self.starts[index + 1]]


def open_labels(text: Path) -> Labels:
    """The labels of a text file, out of its binary copy; the copy is made where it is missing or of another text.

    Raises:
        BudgetError: the text is missing or empty, holds anything but labels, or a copy has to be made and cannot be.
    """
    if not text.is_file() or text.stat().st_size == 0:
        raise BudgetError(f"`{text}` is missing or empty: run `fairseq-budget labels`, or correct the folder")
    header = _usable_header(text)
    if header is None:
        _convert(text)
        header = _read_header(binary_path(text))
    if header is None:
        raise BudgetError(f"`{binary_path(text)}` cannot be read back: is the disk full?")
    return Labels(binary_path(text), header)


def binary_path(text: Path) -> Path:
    """Where the copy of a text file lies."""
    return text.with_name(f"{text.name}.bin")


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
        self._hash, self._own = hashlib.sha256(), hashlib.sha256()
        self._lengths: list[int] = []
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
        self._lengths.append(len(labels))
        content = labels.astype("<u2").tobytes()
        self._own.update(content)
        self._numbers.write(content)

    def hash(self, line: bytes) -> None:
        """Take note of a line of a text that is there already."""
        self._hash.update(line)

    def finish(self, numbers: BinaryIO, text: Path) -> None:
        """Add the places and the header; `text` is complete."""
        starts = np.cumsum([0, *self._lengths], dtype="<i8")
        end, places = HEADER.itemsize + 2 * int(starts[-1]), _places(int(starts[-1]))
        numbers.seek(end)
        content = bytes(places - end) + starts.tobytes()
        self._own.update(content)
        numbers.write(content)
        told = text.stat()
        numbers.seek(0)
        header = np.zeros((), HEADER)
        header["magic"], header["text_size"], header["text_changed_ns"] = _MAGIC, told.st_size, told.st_mtime_ns
        header["text_sha256"] = np.void(self._hash.digest())
        header["utterances"], header["labels"], header["largest"] = len(self._lengths), starts[-1], self._largest
        header["own_sha256"] = np.void(_with_header(self._own, header))
        numbers.write(header.tobytes())


def _map(path: Path, dtype: str, offset: int, count: int) -> np.ndarray:
    # a plain view: slices of numpy's own memmap class are slow to make; and it refuses to map nothing
    return np.memmap(path, dtype, "r", offset, (count,)).view(np.ndarray) if count else np.empty(0, dtype)


def _places(labels: int) -> int:
    """Byte at which the places begin."""
    end = HEADER.itemsize + 2 * labels
    return end + -end % _ALIGNMENT


def _usable_header(text: Path) -> np.void | None:
    """The copy's header, if it is a copy of this text.  A text of the same size and time is taken to be the same."""
    header = _read_header(binary_path(text))
    told = text.stat()
    if header is None or header["text_size"] != told.st_size or not _is_whole(binary_path(text), header):
        return None
    if header["text_changed_ns"] != told.st_mtime_ns:
        if sha256(text) != bytes(header["text_sha256"]).hex():
            return None
        # it was only copied or touched: with its new time in the header, the next start need not read it all
        header["text_changed_ns"] = told.st_mtime_ns
        with suppress(OSError), binary_path(text).open("r+b") as file:
            file.write(header.tobytes())
    return header


def _with_header(own: Any, header: np.void) -> bytes:
    """The digest of the numbers, already in `own`, and of what the header tells of them and of the text."""
    for name in _TOLD:
        own.update(header[name].tobytes())
    return bytes(own.digest())


def _is_whole(path: Path, header: np.void) -> bool:
    """Whether the numbers are those that were written."""
    own = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(HEADER.itemsize)
        while content := file.read(_CHUNK):
            own.update(content)
    return _with_header(own, header) == bytes(header["own_sha256"])


def _read_header(path: Path) -> np.void | None:
    """The header of a complete binary file, or None."""
    with suppress(OSError):
        with path.open("rb") as file:
            content = file.read(HEADER.itemsize)
        if len(content) == HEADER.itemsize and content.startswith(_MAGIC):
            header = np.frombuffer(bytearray(content), HEADER)[0]
            if os.path.getsize(path) == _places(int(header["labels"])) + 8 * (int(header["utterances"]) + 1):
                return header
    return None


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
