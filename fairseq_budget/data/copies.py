"""Copies of a large text as numbers that can be mapped into memory: beside it, made once, and again when it is another text.

A copy holds the size, the time of change and the SHA-256 of the text that it was made of, and a SHA-256 of its own numbers.
A text of the same size and time is taken to be the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fairseq_budget.files import sha256

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("text_size", "<u8"),
        ("text_changed_ns", "<u8"),
        ("text_sha256", "V32"),
        ("counts", "<i8", 3),
        ("own_sha256", "V32"),
    ]
)
_CHUNK = 2**22


@dataclass(frozen=True)
class CopyKind:
    """A kind of copy, by its magic word, and its layout by what the header counts: `size`, bytes of the whole file, and
    `sealed`, the byte from which on `own_sha256` covers it."""

    magic: bytes
    ending: str
    size: Callable[[np.ndarray], int]
    sealed: Callable[[np.ndarray], int]

    def path(self, text: Path) -> Path:
        """Where the copy of a text file lies."""
        return text.with_name(text.name + self.ending)

    def header(self, text: Path) -> np.void | None:
        """The header of the copy, if it is a whole one of this text."""
        path, told = self.path(text), text.stat()
        header = self._read_header(path)
        if header is None or header["text_size"] != told.st_size or not self._is_whole(path, header):
            return None
        if header["text_changed_ns"] != told.st_mtime_ns:
            if sha256(text) != bytes(header["text_sha256"]).hex():
                return None
            # it was only copied or touched: with its new time in the header, the next start need not read it all
            header["text_changed_ns"] = told.st_mtime_ns
            with suppress(OSError), path.open("r+b") as file:
                file.write(header.tobytes())
        return header

    def write_header(self, file: BinaryIO, told: os.stat_result, text_sha256: bytes, counts: list[int], own: Any) -> None:
        """The last thing to write.  `told` and `text_sha256` are of the text, `own` hashes what is sealed."""
        header = np.zeros((), HEADER)
        header["magic"], header["text_size"], header["text_changed_ns"] = self.magic, told.st_size, told.st_mtime_ns
        header["text_sha256"], header["counts"] = np.void(text_sha256), counts
        header["own_sha256"] = np.void(_with_header(own, header))
        file.seek(0)
        file.write(header.tobytes())

    def _read_header(self, path: Path) -> np.void | None:
        with suppress(OSError, OverflowError):
            with path.open("rb") as file:
                content = file.read(HEADER.itemsize)
            if len(content) == HEADER.itemsize and content.startswith(self.magic):
                header: np.void = np.frombuffer(bytearray(content), HEADER)[0]
                if header["counts"][:2].min() >= 0 and os.path.getsize(path) == self.size(header["counts"]):
                    return header
        return None

    def _is_whole(self, path: Path, header: np.void) -> bool:
        own = hashlib.sha256()
        with path.open("rb") as file:
            file.seek(self.sealed(header["counts"]))
            while content := file.read(_CHUNK):
                own.update(content)
        return _with_header(own, header) == bytes(header["own_sha256"])


def mapped(path: Path, dtype: str, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in a file, whose pages all processes of the machine share."""
    # a plain view: slices of numpy's own memmap class are slow to make; and it refuses to map nothing
    return np.memmap(path, dtype, "r", offset, shape).view(np.ndarray) if shape[0] else np.empty(shape, dtype)


def _with_header(own: Any, header: np.ndarray | np.void) -> bytes:
    """The digest of the numbers, already in `own`, and of what the header tells of them and of the text."""
    for name in ("text_sha256", "counts"):
        own.update(header[name].tobytes())
    return bytes(own.digest())
