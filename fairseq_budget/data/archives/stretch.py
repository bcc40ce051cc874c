"""A stretch of an archive's bytes, named as fairseq names it: `PATH:OFFSET:BYTES`.

Wherever a path to audio is taken, such a name may stand instead (`fairseq.data.audio.audio_utils.parse_path`, whose readers
take whole files of FLAC, WAV and Ogg by these names, from zip and tar files alike).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

ENDINGS = (".tar", ".zip")
"""Of archives that are read (lower case)."""

PATTERN = r"(?s)(.+\.(?i:tar|zip)):(\d{1,15}):(\d{1,15})"
_NAME = re.compile(PATTERN)
_BUFFER = 1 << 16


class Stretch(NamedTuple):
    """Bytes `offset` to `offset + size` of an archive."""

    archive: Path
    offset: int
    size: int


def stretch_of(path: str | Path) -> Stretch | None:
    """The stretch that a path names; None for that of a file."""
    found = _NAME.fullmatch(os.fspath(path))
    return None if found is None else Stretch(Path(found[1]), int(found[2]), int(found[3]))


def file_of(name: str) -> str:
    """The file that has to be there: the archive of a stretch, or the file itself."""
    # few names of files end with a digit
    found = _NAME.fullmatch(name) if name[-1:].isdigit() else None
    return name if found is None else found[1]


def size(path: Path) -> int:
    """Bytes of a file or stretch, as many of it as are there."""
    there = stretch_of(path)
    if there is None:
        return path.stat().st_size
    return max(min(there.size, there.archive.stat().st_size - there.offset), 0)


@contextmanager
def opened(path: Path) -> Iterator[str | BinaryIO]:
    """What libsndfile reads the audio from: the path of a file, or a view of an archive's bytes.

    The bytes are read, not mapped: an archive that is cut off while it is in use is an error, not the end of the process.
    """
    there = stretch_of(path)
    if there is None:
        yield str(path)
        return
    with io.BufferedReader(_View(there), _BUFFER) as file:
        yield file


class _View(io.RawIOBase):
    """A file that begins and ends where the stretch does."""

    def __init__(self, stretch: Stretch) -> None:
        self._stretch, self._place = stretch, 0
        self._file = os.open(stretch.archive, os.O_RDONLY)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        wanted = max(min(len(view), self._stretch.size - self._place), 0)
        count = os.preadv(self._file, [view[:wanted]], self._stretch.offset + self._place)
        self._place += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._stretch.size}[whence]
        self._place = max(begin + offset, 0)
        return self._place

    def close(self) -> None:
        if not self.closed:
            os.close(self._file)
        super().close()
