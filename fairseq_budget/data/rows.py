"""The rows of a manifest's text: found and checked without making a Python object of each.

A row is what stands between two line breaks, its fields what stands between two tabs:

    name  samples                                     a whole file
    name  offset  samples                             a slice of a file
    name  offset  samples  name  offset  samples ...  a chain of slices, heard one after another

Letters in shapes: N rows, P fields that follow a tab.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from mmap import mmap
from typing import NamedTuple

import numpy as np

from fairseq_budget.errors import BudgetError

SCAN_BYTES = 1 << 22
MAX_DIGITS = 15
"""More samples than any corpus has, and few enough that no sum overflows."""

REMAKE = "make it again with `fairseq-budget manifest`"

_OUTSIDE = re.compile(rb"(?m)\0|(?:^|\t)/|(?:^|[\t/])\.\.(?=[/\t])")
"""In a row: a byte that no file's name has, a path from the root, or one that leaves the manifest's folder."""

_MARKS = (b"\0", b"\t/", b"\n/", b"..")
"""No such name without one of these, which are looked for in a tenth of the time."""

_TAB, _NEWLINE, _RETURN, _SPACE, _ZERO = b"\t\n\r 0"


Text = bytes | mmap


class Part(NamedTuple):
    """A stretch of a file: its name below the manifest's root, samples at 16 kHz; ``whole``: the file has no others."""

    name: str
    offset: int
    frames: int
    whole: bool


def read_row(line: bytes) -> list[Part]:
    """The parts of a row that ``index_rows`` has accepted."""
    fields = line.decode("utf-8").rstrip("\r\n").split("\t")
    if len(fields) == 2:
        return [Part(fields[0], 0, int(fields[1]), True)]
    return [Part(fields[k], int(fields[k + 1]), int(fields[k + 2]), False) for k in range(0, len(fields), 3)]


def row_names(row: str) -> list[str]:
    """The names in a row without its line break."""
    name, _, rest = row.partition("\t")
    return [name, *rest.split("\t")[2::3]]


def write_row(parts: list[Part]) -> str:
    """A row with its line break; `name<TAB>samples`, as fairseq has it, where a whole file is all of it."""
    if len(parts) == 1 and parts[0].whole:
        return f"{parts[0].name}\t{parts[0].frames}\n"
    return "\t".join(f"{part.name}\t{part.offset}\t{part.frames}" for part in parts) + "\n"


def leads_elsewhere(row: bytes) -> bool:
    """Whether a row has a name that isn't one of a file below the manifest's folder."""
    return _leads_outside(row) is not None


def _leads_outside(rows: bytes) -> re.Match[bytes] | None:
    if not rows.startswith(b"/") and not any(mark in rows for mark in _MARKS):
        return None
    return _OUTSIDE.search(rows)


def stretch(parts: list[Part], offset: int, frames: int) -> list[Part]:
    """The parts of a stretch of an utterance that is itself made of parts."""
    found, begin = [], 0
    for part in parts:
        start, stop = max(offset, begin), min(offset + frames, begin + part.frames)
        if stop - start == part.frames:
            found.append(part)
        elif stop > start:
            found.append(Part(part.name, part.offset + start - begin, stop - start, False))
        begin += part.frames
    return found


def index_rows(text: Text, start: int, place: str, first_line: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each row begins, and how many samples it has.

    `text` is the manifest's content; its rows begin at byte `start`, in line `first_line`.

    Shape: -> starts (N,) int64 in bytes, frames (N,) int64.

    Raises:
        BudgetError: a row that is not in the format or not UTF-8; names `place` and the line.
    """
    starts, frames = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for _, _, begins, counts in indexed(text, start, place, first_line):
        starts.append(begins)
        frames.append(counts)
    return np.concatenate(starts), np.concatenate(frames)


def indexed(text: Text, start: int, place: str, first_line: int) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """The same, some megabytes of the text at a time: the stretch from byte to byte, and its rows' starts and frames."""
    rows = 0
    for begin, end in _stretches(text, start):
        stretch = np.frombuffer(text, dtype=np.uint8, count=end - begin, offset=begin)
        ends = _line_ends(stretch)
        lines = np.concatenate([[0], ends[:-1] + 1])
        counts, wrong = _samples(stretch, lines, ends)
        if wrong is not None:
            raise _bad_row(bytes(stretch[lines[wrong] : ends[wrong]]), place, first_line + rows + wrong)
        _refuse_other_encodings(stretch, place, begin)
        if outside := _leads_outside(text[begin:end]):
            raise _bad_name(stretch, outside.start(), place, first_line + rows)
        yield begin, end, lines + begin, counts
        rows += len(lines)


def line_end(text: Text, start: int) -> int:
    """The byte after the line that has byte `start`."""
    return (text.find(b"\n", start) + 1) or len(text)


def _stretches(text: Text, start: int) -> Iterator[tuple[int, int]]:
    """Whole lines, about ``SCAN_BYTES`` at a time."""
    while start < len(text):
        end = line_end(text, min(start + SCAN_BYTES, len(text)) - 1)
        yield start, end
        start = end


def _line_ends(stretch: np.ndarray) -> np.ndarray:
    """Where each line's break stands, or the end of the last line if it has none.  Shape: (N,)"""
    ends = np.flatnonzero(stretch == _NEWLINE)
    return ends if stretch[-1] == _NEWLINE else np.append(ends, len(stretch))


def _samples(stretch: np.ndarray, lines: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Samples of each row, and the first row that is wrong, if one is.  Shape: lines, ends (N,) -> (N,)"""
    # a file from Windows ends its lines with both
    ends = ends - ((ends > lines) & (stretch[np.maximum(ends - 1, 0)] == _RETURN))
    tabs = np.flatnonzero(stretch == _TAB)
    first, stop = np.searchsorted(tabs, lines), np.searchsorted(tabs, ends)
    count = stop - first
    wrong = (count != 1) & (count % 3 != 2)
    wrong |= _outer_blank(stretch, lines, np.where(count > 0, np.append(tabs, 0)[np.minimum(first, len(tabs))], ends))
    if wrong.any():
        return count, int(wrong.argmax())
    row = np.repeat(np.arange(len(lines)), count)
    # (P,): a field lasts to the next tab of its row, or to the row's end
    begins, field_ends = tabs + 1, np.append(tabs[1:], 0)
    field_ends[stop - 1] = ends
    which = (np.arange(len(tabs)) - first[row]) % 3
    is_frames = (which == 1) | (count[row] == 1)
    is_name = which == 2
    values, bad = _numbers(stretch, begins, np.where(is_name, begins, field_ends))
    bad = np.where(is_name, _outer_blank(stretch, begins, field_ends), bad | (is_frames & (values == 0)))
    wrong[row[bad]] = True
    frames = np.add.reduceat(np.where(is_frames, values, 0), first)
    return frames, int(wrong.argmax()) if wrong.any() else None


def _numbers(stretch: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decimal numbers in the text, and which of them are none.  Shape: (P,), (P,) -> (P,) int64, (P,) bool"""
    widths = ends - begins
    values, bad = np.zeros(len(begins), np.int64), (widths < 1) | (widths > MAX_DIGITS)
    for place in range(int(min(widths.max(initial=0), MAX_DIGITS))):
        within = place < widths
        # below "0" wraps round to a large number
        digits = stretch[np.minimum(begins + place, len(stretch) - 1)] - np.uint8(_ZERO)
        bad |= within & (digits > 9)
        values = np.where(within, values * 10 + digits, values)
    return values, bad


def _outer_blank(stretch: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Names that are empty, or that fairseq's reader would strip.  Shape: (P,), (P,) -> (P,) bool"""
    last = len(stretch) - 1
    outer = (stretch[np.minimum(begins, last)] <= _SPACE) | (stretch[np.minimum(np.maximum(ends - 1, 0), last)] <= _SPACE)
    return outer | (begins >= ends)


def _refuse_other_encodings(stretch: np.ndarray, place: str, begin: int) -> None:
    if stretch.max() < 128:
        return
    try:
        stretch.tobytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise BudgetError(f"manifest `{place}` is not UTF-8 text (byte {begin + error.start}): {REMAKE}") from error


def _bad_name(stretch: np.ndarray, at: int, place: str, first_line: int) -> BudgetError:
    number = first_line + int(np.count_nonzero(stretch[:at] == _NEWLINE))
    return BudgetError(
        f"`{place}`, line {number}: a name must lead to a file below the folder in line 1, without `..`, NUL, or `/` at its "
        f"beginning: correct the line, or {REMAKE}"
    )


def _bad_row(line: bytes, place: str, number: int) -> BudgetError:
    found = line.decode("utf-8", errors="replace").rstrip()[:120]
    return BudgetError(
        f"`{place}`, line {number}: expected `path<TAB>samples`, or `path<TAB>offset<TAB>samples` once or more, "
        f"with samples above 0, but got {found!r}: correct the line, or {REMAKE}"
    )
