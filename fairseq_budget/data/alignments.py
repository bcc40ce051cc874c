"""Which phone is heard when: time-aligned phones in NIST's CTM format, as Kaldi writes it.

A line is `UTTERANCE CHANNEL START DURATION PHONE`, times in seconds, the lines of an utterance together and in order.
UTTERANCE is the name of an audio file without its ending.  The synthetic corpus has such a file in every chapter's folder.

Letters in shapes: P phones of an utterance, F frames.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.archives.index import member_of
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic

if TYPE_CHECKING:
    from fairseq_budget.data.manifest import Utterances

CTM = ".phones.ctm"
"""How the names of files beside the audio end."""

SILENCE = "sil"
"""The phone of a pause, and of a stretch between two phones that no line tells about."""

_TOUCH_SECONDS = 1e-3  # phones that are nearer than this touch: times are written with four digits


@dataclass(frozen=True)
class Alignment:
    """The phones of an utterance; phone i lasts from ``starts[i]`` to the next one's start, the last one to ``end``.

    Shape: phones P, starts (P,) in seconds, rising.
    """

    phones: Sequence[str]
    starts: np.ndarray
    end: float

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """The number of the phone that is heard at each time, -1 before the first and after the last.

        Shape: (F,) -> (F,) int64
        """
        found = np.searchsorted(self.starts, seconds, side="right") - 1
        return np.where(seconds < self.end, found, -1)


def write_ctm(path: Path, alignments: Mapping[str, Alignment]) -> None:
    """Write the alignments of utterances by name, all or nothing."""
    with atomic(path) as partial, partial.open("w", encoding="utf-8") as file:
        for name, alignment in alignments.items():
            ends = [*alignment.starts[1:], alignment.end]
            for phone, start, end in zip(alignment.phones, alignment.starts, ends, strict=True):
                file.write(f"{name} 1 {start:.4f} {end - start:.4f} {phone}\n")


def read_ctm(path: Path) -> dict[str, Alignment]:
    """The alignments in a file, by utterance.

    Raises:
        BudgetError: one that isn't in the format or goes back in time; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetError(f"alignments `{path}` cannot be read ({error}): name a CTM file of phones") from error
    rows = [_row(path, number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    return {name: _alignment(path, list(group)) for name, group in groupby(rows, key=lambda row: row.utterance)}


class Alignments:
    """Phones of a manifest's utterances: from one CTM file, a folder of TextGrids, or the ``*.phones.ctm`` beside the audio.

    ``phones[code]`` are the names of the phones met so far.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._grids = _textgrids_in(file) if file is not None and file.is_dir() else None
        self._all = read_ctm(file) if file is not None and self._grids is None else None
        self._codes: dict[str, int] = {}

    @property
    def phones(self) -> list[str]:
        """Names in the order of their codes."""
        return list(self._codes)

    def codes_at(self, utterances: Utterances, index: int, seconds: np.ndarray) -> np.ndarray:
        """The code of the phone at each time of an utterance, -1 where none is known.

        Shape: seconds (F,) from the utterance's beginning -> (F,) int64
        """
        codes = np.full(len(seconds), -1, dtype=np.int64)
        begin = 0.0
        for piece in utterances.pieces(index):
            end = begin + piece.frames / SAMPLE_RATE
            alignment = self._of(piece.path)
            if alignment is not None:
                inside = (seconds >= begin) & (seconds < end)
                names = [self._codes.setdefault(phone, len(self._codes)) for phone in alignment.phones]
                # -1, no phone, takes the code that stands last
                table = np.array([*names, -1])
                codes[inside] = table[alignment.at(seconds[inside] - begin + piece.offset / SAMPLE_RATE)]
            begin = end
        return codes

    def _of(self, audio: Path) -> Alignment | None:
        name = Path(member_of(audio) or audio).stem
        if self._grids is not None:
            return self._grids(name)
        return (_beside(audio.parent) if self._all is None else self._all).get(name)


def _textgrids_in(folder: Path) -> Callable[[str], Alignment | None]:
    """What reads the alignment of an utterance; None where there is none."""
    from fairseq_budget.data.textgrids import find_textgrids, read_textgrid  # which knows this module's classes

    found = find_textgrids(folder)
    return lambda name: read_textgrid(found[name]) if name in found else None


@functools.lru_cache(maxsize=16)
def _beside(folder: Path) -> dict[str, Alignment]:
    """All alignments in a folder; neighbours in a manifest mostly share theirs."""
    found: dict[str, Alignment] = {}
    for path in sorted(folder.glob(f"*{CTM}")):
        found |= read_ctm(path)
    return found


@dataclass(frozen=True)
class _Row:
    number: int
    utterance: str
    start: float
    end: float
    phone: str


def _row(path: Path, number: int, line: str) -> _Row:
    try:
        utterance, _, start, duration, phone = line.split()[:5]
        begin, length = float(start), float(duration)
        if begin < 0 or length < 0:
            raise ValueError
    except ValueError:
        raise BudgetError(
            f"`{path}`, line {number}: expected `UTTERANCE CHANNEL START DURATION PHONE`, found `{line[:80]}`"
        ) from None
    return _Row(number, utterance, begin, begin + length, phone)


def _alignment(path: Path, rows: list[_Row]) -> Alignment:
    steps = list(_steps(path, rows))
    return Alignment([phone for phone, _ in steps], np.array([start for _, start in steps]), rows[-1].end)


def _steps(path: Path, rows: list[_Row]) -> Iterator[tuple[str, float]]:
    """Phone and start, with silence in the gaps."""
    end = rows[0].start
    for row in rows:
        if row.start < end - _TOUCH_SECONDS:
            raise BudgetError(
                f"`{path}`, line {row.number}: begins at {row.start:g} s, before the end of the phone above it"
            )
        if row.start > end + _TOUCH_SECONDS:
            yield SILENCE, end
        yield row.phone, row.start
        end = row.end
