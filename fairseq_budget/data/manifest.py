"""Manifests: which audio to train on, and how long each utterance is.

The format is fairseq's, extended.  The first line is an absolute folder; `data/rows.py` has what a row may be: a whole
file, a slice of one, or a chain of slices, also of several files.  Nothing is copied; a subset is another manifest over the
same files.  Instead of a file there may be a stretch of an archive, `PATH:OFFSET:BYTES` (`data/archives`).  Where a manifest
comes from stands beside it (`data/provenance.py`); up to version 0.3.1, and in manifests that are still read, between the
folder and the rows, in lines `# name: value`.

How stock fairseq relates: it reads manifests of whole files, and we read its.  At a slice or a chain (segments) its readers
stop with an error on the first such line (they want two columns); none of it can be mistaken for something else.

N is a number of utterances, T a number of samples at 16 kHz throughout.
"""

from __future__ import annotations

import hashlib
import math
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fairseq_budget.data import audio
from fairseq_budget.data.archives.index import shown
from fairseq_budget.data.archives.seals import Seal, check_seals, read_seals, write_seals
from fairseq_budget.data.archives.stretch import file_of
from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.data.provenance import read_provenance, write_provenance
from fairseq_budget.data.row_index import RowIndex, open_rows, reopen_rows
from fairseq_budget.data.rows import REMAKE, Part, Text, leads_elsewhere, line_end, read_row, row_names, write_row
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic

_NEWLINE = b"\n"

BLOCK = 50_000
"""Rows that are in memory at a time."""


class Piece(NamedTuple):
    """A stretch of an audio file, in samples at 16 kHz; ``whole``: it is all that the file holds."""

    path: Path
    offset: int
    frames: int
    whole: bool = False


class Utterances:
    """What a manifest and its re-cuts (`data/segments.py`) have in common: audio by index, lengths at hand.

    `root` is the folder that names are relative to, `frames[i]` the length of utterance i in samples, shape (N,) int64.
    """

    root: Path
    frames: np.ndarray
    archives: Mapping[str, Seal]
    """The archives that were read to list the utterances, by name below `root`; all that are needed, and maybe more."""

    def parts(self, index: int) -> list[Part]:
        """What utterance `index` is made of, by names below `root`."""
        raise NotImplementedError

    def where(self, index: int) -> str:
        """Where utterance `index` is listed, for messages."""
        raise NotImplementedError

    @property
    def digest(self) -> str:
        """SHA-256 of which utterances there are, in which order, and how long; wherever their folder lies."""
        raise NotImplementedError

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """All rows as they are written, without line breaks: the first one's utterance, and some thousands at a time."""
        for first in range(0, len(self), BLOCK):
            block = range(first, min(first + BLOCK, len(self)))
            yield first, [write_row(self.parts(index)).rstrip("\n") for index in block]

    def names(self) -> Iterator[tuple[int, str]]:
        """Every file that is needed, by its name below `root`, with the utterance that needs it; repeats are possible."""
        for first, rows in self.rows():
            for index, row in enumerate(rows, first):
                for name in row_names(row):
                    yield index, name

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def hours(self) -> float:
        """Hours of audio in all."""
        return float(self.frames.sum()) / SAMPLE_RATE / 3600

    def pieces(self, index: int) -> list[Piece]:
        """The stretches of files that utterance `index` is made of, in the order they are heard."""
        return [Piece(self.root / part.name, *part[1:]) for part in self.parts(index)]

    def audio_path(self, index: int) -> Path:
        """The file of utterance `index`, or of its first piece."""
        return self.pieces(index)[0].path

    def read_audio(self, index: int, start: int = 0, frames: int | None = None) -> np.ndarray:
        """So many samples of utterance `index` from `start` on (default: all), its pieces joined.

        Of a file that can be entered anywhere, no more is read.

        Shape: -> (frames,) float32 at 16 kHz, at most `frames[index] - start`.

        Raises:
            BudgetError: audio that cannot be read or isn't as long as the row says; names the file and the row.
        """
        end, begin, waves = start + (int(self.frames[index]) if frames is None else frames), 0, []
        try:
            for piece in self.pieces(index):
                first, last = max(start - begin, 0), min(end - begin, piece.frames)
                if first < last:
                    waves.append(_read_piece(piece, first, last))
                begin += piece.frames
        except BudgetError as error:
            raise BudgetError(f"{self.where(index)}: {error}") from error
        return waves[0] if len(waves) == 1 else np.concatenate(waves)

    def write(self, path: str | Path, header: Mapping[str, Any] | None = None) -> None:
        """Write a manifest, all or nothing: an interrupted write leaves the old file as it was.

        `header` tells where it comes from, in a file beside it.

        Raises:
            BudgetError: a file cannot be written.
        """
        path, rows = Path(path), hashlib.sha256()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as partial, partial.open("wb") as file:
                file.write(f"{checked_name(str(self.root.absolute()))}\n".encode())
                for row in (write_row(self.parts(index)).encode() for index in range(len(self))):
                    rows.update(row)
                    file.write(row)
            write_provenance(path, rows.hexdigest(), header or {})
            needed = {file_of(name) for _, name in self.names()} if self.archives else set()
            write_seals(path, {name: known for name, known in self.archives.items() if name in needed})
        except OSError as error:
            reason = error.strerror
            raise BudgetError(f"manifest `{path}` cannot be written ({reason}): choose another place") from error


class Manifest(Utterances):
    """Utterances below one folder; of each, only where its row begins and its length are kept in memory.

    A manifest that was read from a file is mapped, not loaded, and mapped anew in every process that receives a copy.
    """

    def __init__(
        self, root: Path, names: Sequence[str], frames: np.ndarray, archives: Mapping[str, Seal] | None = None
    ) -> None:
        """Whole files, `names` below `root`.

        Raises:
            BudgetError: a name that the format cannot hold.
        """
        rows = [write_row([Part(checked_name(name), 0, int(n), True)]) for name, n in zip(names, frames, strict=True)]
        text = [row.encode("utf-8") for row in rows]
        if elsewhere := next((name for name, row in zip(names, text, strict=True) if leads_elsewhere(row)), None):
            raise BudgetError(f"{elsewhere!r} must lead to a file below `{root}`, without `..`, NUL or `/` at its beginning")
        self.root, self.path, self.archives = Path(root), None, dict(archives or {})
        self.frames = np.array(frames, dtype=np.int64)
        self._starts = np.cumsum([0, *map(len, text)])[:-1]
        self._text: Text = b"".join(text)

    path: Path | None
    """The file it was read from."""
    first_line = 2
    """Of the rows, in the file."""
    _told: Mapping[str, str] = {}
    _has_all = True
    """Whether its rows are all that follow the first in the text, in their order."""
    _digest: str | None = None
    _is_mapped = False
    """Whether `frames` are shared with other processes."""

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """Read a manifest file.

        Raises:
            BudgetError: anything that is not in the format, a folder that is gone, and an archive that has
                changed since; names file and line.
        """
        manifest = cls.__new__(cls)
        manifest.path, manifest._text = Path(path), _map(Path(path))
        end = line_end(manifest._text, 0)
        manifest.root = _parse_root(path, manifest._text[:end])
        manifest.archives = check_seals(Path(path), manifest.root, read_seals(Path(path)))
        manifest._told, start = _parse_header(manifest._text, end)
        manifest.first_line = manifest._text[:start].count(_NEWLINE) + 1
        manifest._take(open_rows(Path(path), manifest._text, start, manifest.first_line))
        if not len(manifest.frames):
            raise BudgetError(f"manifest `{path}` lists no utterance: {REMAKE}")
        manifest._let_go()
        return manifest

    def _take(self, rows: RowIndex) -> None:
        self._starts, self.frames, self._digest, self._is_mapped = rows

    def parts(self, index: int) -> list[Part]:
        """What utterance `index` is made of, by names below `root`."""
        start = int(self._starts[index])
        return read_row(self._text[start : line_end(self._text, start)])

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """All rows as they are written, without line breaks: the first one's utterance, and some thousands at a time."""
        for first in range(0, len(self), BLOCK):
            block = self._starts[first : first + BLOCK].tolist()
            if self._has_all:
                end = line_end(self._text, block[-1])
                yield first, self._text[block[0] : end].decode("utf-8").replace("\r\n", "\n").removesuffix("\n").split("\n")
            else:
                lines = (self._text[start : line_end(self._text, start)] for start in block)
                yield first, [line.decode("utf-8").rstrip("\r\n") for line in lines]
            self._let_go()

    def _let_go(self) -> None:
        """Pages of the file just read would count as this process's memory until something else needs it."""
        if isinstance(self._text, mmap.mmap):
            self._text.madvise(mmap.MADV_DONTNEED)

    def where(self, index: int) -> str:
        """Where utterance `index` is listed, for messages: the manifest's file and line, if it was read from one."""
        if self.path is None:
            return f"utterance {index + 1} below `{self.root}`"
        before = np.frombuffer(self._text, dtype=np.uint8, count=int(self._starts[index]))
        return f"`{self.path}`, line {np.count_nonzero(before == ord(_NEWLINE)) + 1}"

    @property
    def header(self) -> dict[str, str]:
        """What the file, or the one beside it, says about its making.

        Raises:
            BudgetError: the one beside it is damaged.
        """
        return dict(self._told) or ({} if self.path is None else read_provenance(self.path, self.digest))

    @property
    def paths(self) -> list[str]:
        """The names of all utterances' (first) files, made when asked for."""
        return [self.parts(index)[0].name for index in range(len(self))]

    @property
    def digest(self) -> str:
        """SHA-256 of the rows; what the header tells makes no difference."""
        if self._digest is not None:
            return self._digest
        total = hashlib.sha256()
        with memoryview(self._text) as text:
            for start in self._starts[:1].tolist() if self._has_all else self._starts.tolist():
                total.update(text[start:] if self._has_all else text[start : line_end(self._text, start)])
        return total.hexdigest()

    def subset(self, indices: Iterable[int]) -> Manifest:
        """The utterances of these indices, in this order."""
        chosen = np.fromiter(indices, dtype=np.int64)
        part = type(self).__new__(type(self))
        part.__dict__ |= self.__dict__ | {"frames": self.frames[chosen], "_starts": self._starts[chosen]}
        part._has_all, part._digest, part._is_mapped = False, None, False
        return part

    def within(self, min_seconds: float = 0.0, max_seconds: float = math.inf) -> Manifest:
        """The utterances that last `min_seconds` to `max_seconds`, ends included.

        Raises:
            BudgetError: none does.
        """
        seconds = self.frames / SAMPLE_RATE
        kept = np.flatnonzero((seconds >= min_seconds) & (seconds <= max_seconds))
        if not len(kept):
            raise BudgetError(
                f"no file below `{self.root}` lasts {min_seconds:g} to {max_seconds:g} s (the {len(self)} there last "
                f"{seconds.min():.2f} to {seconds.max():.2f} s): widen `min_seconds` and `max_seconds`"
            )
        return self.subset(kept)

    def __getstate__(self) -> dict[str, Any]:
        """A worker process gets the offsets, not the file's content."""
        # what archives were is checked where the manifest is read
        state = self.__dict__ | {"archives": {}, "_text": len(self._text) if self.path else self._text}
        return state | ({"frames": None, "_starts": None} if self._is_mapped else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.path:
            size, self._text = state["_text"], _map(self.path)
            if self._is_mapped:
                with suppress(OSError):
                    self._take(reopen_rows(self.path))
            if len(self._text) != size or self._starts is None:
                raise BudgetError(f"manifest `{self.path}` was changed while it was in use: start again")


def checked_name(name: str) -> str:
    """The name itself, if fairseq, which strips and splits each line, would read it back unchanged.

    Raises:
        BudgetError: it wouldn't.
    """
    if name != name.strip() or any(mark in name for mark in "\t\n\r") or not name:
        raise BudgetError(f"file name {name!r} has a tab, a line break or outer spaces: rename the file")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BudgetError(f"file name {name!r} is not UTF-8: rename the file") from error
    return name


def _read_piece(piece: Piece, first: int, last: int) -> np.ndarray:
    """Samples first..last of a piece.  Shape: -> (last - first,) float32"""
    header = audio.info(piece.path)
    if piece.whole and (length := audio.frames_at_16k(header)) != piece.frames:
        raise BudgetError(
            f"{shown(piece.path)} has {length} samples at 16 kHz, but the manifest says {piece.frames}: {REMAKE}"
        )
    return audio.read(header, piece.offset + first, last - first)


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise BudgetError(f"manifest `{path}` cannot be read ({error.strerror}): {REMAKE}") from error
    except ValueError:  # nothing to map
        raise BudgetError(f"manifest `{path}` is empty: {REMAKE}") from None


def _parse_root(path: str | Path, line: bytes) -> Path:
    with suppress(UnicodeDecodeError):
        root = Path(line.decode("utf-8").strip())
        if not root.is_absolute():
            raise BudgetError(f"`{path}`, line 1: expected an absolute folder, but got `{str(root)[:120]}`: {REMAKE}")
        if not root.is_dir():
            raise BudgetError(f"`{path}`, line 1: folder `{root}` does not exist: correct the line, or {REMAKE}")
        return root
    raise BudgetError(f"manifest `{path}` is not UTF-8 text (line 1): {REMAKE}")


def _parse_header(text: Text, start: int) -> tuple[dict[str, str], int]:
    """The lines `# name: value`, and the byte after them.  A file may begin with `#`: its row has a tab."""
    header: dict[str, str] = {}
    while text[start : start + 1] == b"#" and b"\t" not in (line := text[start : line_end(text, start)]):
        name, _, value = line[1:].decode("utf-8", errors="replace").partition(":")
        header[name.strip()] = value.strip()
        start += len(line)
    return header, start
