"""Where the rows of a large manifest begin, and how long their audio is: `<split>.tsv.idx`, a copy of it (`copies.py`).

All processes of a machine share its pages, and the next start has nothing to look for in the text.  Where it can't be
written, the same numbers are kept in memory.

Layout, little-endian: a header (``copies.HEADER``; it counts rows), 32 bytes of SHA-256 of the rows, and for each of N rows
the byte where it begins and its samples, 8 bytes each.
"""

from __future__ import annotations

import hashlib
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fairseq_budget.data.copies import HEADER, CopyKind, mapped
from fairseq_budget.data.rows import Text, index_rows, indexed
from fairseq_budget.files import atomic

LEAST_BYTES = 8 << 20
"""Smaller manifests are read in a moment, and have no file beside them."""
_DIGEST = 32

COPY = CopyKind(
    b"FBROWS01",
    ".idx",
    size=lambda counts: HEADER.itemsize + _DIGEST + 16 * int(counts[0]),
    sealed=lambda counts: HEADER.itemsize,
)


class RowIndex(NamedTuple):
    """Of N rows: where each begins, in bytes, and its samples, (N,) int64; `digest`, SHA-256 of all (None: not known yet);
    whether the numbers are mapped."""

    starts: np.ndarray
    frames: np.ndarray
    digest: str | None = None
    is_mapped: bool = False


def open_rows(path: Path, text: Text, start: int, first_line: int) -> RowIndex:
    """The index of a manifest at `path`, whose rows begin at byte `start`, in line `first_line`; made where it isn't there.

    Raises:
        BudgetError: see :func:`index_rows`.
    """
    if len(text) < LEAST_BYTES:
        return RowIndex(*index_rows(text, start, str(path), first_line))
    try:
        header = COPY.header(path)
        if header is None:
            _write(path, text, start, first_line)
            header = COPY.header(path)
    except OSError:
        header = None
    return RowIndex(*index_rows(text, start, str(path), first_line)) if header is None else _open(path, header)


def reopen_rows(path: Path) -> RowIndex:
    """The index that another process has opened.

    Raises:
        OSError: it is gone.
    """
    header = COPY.header(path)
    if header is None:
        raise OSError(f"`{COPY.path(path)}` is gone")
    return _open(path, header)


def _open(path: Path, header: np.void) -> RowIndex:
    file = COPY.path(path)
    numbers = mapped(file, "<i8", HEADER.itemsize + _DIGEST, (int(header["counts"][0]), 2))
    digest = mapped(file, "u1", HEADER.itemsize, (_DIGEST,)).tobytes().hex()
    return RowIndex(numbers[:, 0], numbers[:, 1], digest, True)


def _write(path: Path, text: Text, start: int, first_line: int) -> None:
    told, count = path.stat(), 0
    whole, rows, own = hashlib.sha256(text[:start]), hashlib.sha256(), hashlib.sha256()
    with atomic(COPY.path(path)) as partial, partial.open("w+b") as file:
        file.seek(HEADER.itemsize + _DIGEST)
        for begin, end, starts, frames in indexed(text, start, str(path), first_line):
            content = text[begin:end]
            whole.update(content)
            rows.update(content)
            file.write(np.stack([starts, frames], axis=1).astype("<i8").tobytes())
            count += len(starts)
            if isinstance(text, mmap):  # as in Manifest.rows
                text.madvise(MADV_DONTNEED)
        file.seek(HEADER.itemsize)
        file.write(rows.digest())
        file.seek(HEADER.itemsize)
        while content := file.read(1 << 22):
            own.update(content)
        COPY.write_header(file, told, whole.digest(), [count, 0, 0], own)
