"""The store's folder: a file for each utterance, read by any number of processes and written by any number.

A file appears whole, under a name that is a digest of what it depends on: two processes that write the same one write the
same.  Removing is done by one process at a time, and a file that is removed while another process reads it stays readable
there.  What was killed while writing leaves a temporary file, which is removed later.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock, Timeout

from fairseq_budget.arithmetic.units import GIB
from fairseq_budget.errors import BudgetError
from s3prl_upstreams.store import entry

VARIABLE = "FAIRSEQ_BUDGET_CACHE"
"""The environment variable that names another folder."""
SPARE, MOST_SPARE = 0.1, 5 * GIB
"""Share of a disk that is left free, and bytes that are enough on a large one."""

_SUFFIX, _PARTIAL = ".states", ".tmp"
_TOUCH_AFTER = 600.0
"""Seconds after which a file that is used again is marked as used again."""
_ABANDONED_AFTER = 3600.0
"""Seconds after which nobody goes on with a temporary file."""
_BETWEEN_COUNTS = 20
"""Parts of the limit; after each that it has written, a process counts what others have written."""


def default_folder() -> Path:
    """The folder that the environment names, or one among the user's caches."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("fairseq-budget") / "hidden_states"


@dataclass(frozen=True)
class File:
    """A file of the store: bytes, and the time it was last used, seconds since the epoch."""

    path: Path
    size: int
    used: float


def files(folder: Path) -> list[File]:
    """Every complete file of a store; none where there is no store."""
    return [File(path, told.st_size, told.st_mtime) for path, told in _listed(folder) if path.suffix == _SUFFIX]


def clear(folder: Path) -> int:
    """Remove every file of a store, and nothing else; returns how many bytes that were.

    Raises:
        BudgetError: one can't be removed.
    """
    removed = 0
    for path, told in _listed(folder):
        try:
            _remove(path)
        except OSError as error:
            raise BudgetError(f"`{path}` can't be removed ({error.strerror}): remove it yourself") from error
        removed += told.st_size
    return removed


def free_bytes(folder: Path) -> int:
    """What may still be written to the folder's disk, on which some room is left for others."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    return max(0, usage.free - min(int(SPARE * usage.total), MOST_SPARE))


class Store:
    """A store in use by this process.

    `limit` is its size in bytes, None for what the disk has room for; `tell` is given each line that the user should see.
    Files that this process has read aren't removed for others of its own: if nothing else is left, nothing more is written.

    Raises:
        BudgetError: the folder can't be made.
    """

    def __init__(self, folder: Path, limit: int | None = None, tell: Callable[[str], None] = print) -> None:
        self.folder, self.limit, self.tell = folder.absolute(), limit, tell
        self._used: dict[str, float] = {}
        self._unreadable: set[str] = set()
        self._room = 0
        self._writes = True
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BudgetError(
                f"`{folder}` can't be made ({error.strerror}): name another folder with `--cache-dir`, or use `--cache off`"
            ) from error

    def get(self, key: str) -> np.ndarray | None:
        """The states under a key, read from the disk as they are used; None if there are none.  Shape: (L, F, D).

        A damaged file is told and removed; one that can't be read now, which may be the machine's fault, is told and left.
        All of a file is checked when this process reads it for the first time.
        """
        if key in self._unreadable:
            return None
        path = self._path(key)
        try:
            states = entry.decode(key, np.memmap(path, np.uint8, "r"), verify=key not in self._used)
        except FileNotFoundError:
            return None
        except entry.Damaged as error:
            self._discard(path, str(error))
            return None
        except (ValueError, IsADirectoryError):  # numpy maps no empty file
            self._discard(path, "it's no file with content")
            return None
        except OSError as error:
            self._unreadable.add(key)
            self.tell(f"`{path}` can't be read ({error.strerror}): it is computed again")
            return None
        self._mark_used(key, path)
        return states

    def put(self, key: str, states: np.ndarray) -> None:
        """Keep states, float32 or float16, if there is room for them.  Shape: (L, F, D)."""
        if not self._writes:
            return
        header, content = entry.encode(key, states)
        size = len(header) + len(content)
        if size > self._room:
            self._make_room(size)
        if size > self._room:
            return
        path = self._path(key)
        partial = path.with_name(f".{key}.{os.getpid()}{_PARTIAL}")
        try:
            path.parent.mkdir(exist_ok=True)
            with partial.open(
                "wb"
            ) as file:  # without waiting for the disk: what a power failure leaves is damaged, not wrong
                file.write(header)
                file.write(content)
            os.replace(partial, path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            self._writes = False
            self.tell(f"`{self.folder}` can't be written ({error.strerror}): no more hidden states are stored")
            return
        self._unreadable.discard(key)
        self._room -= size

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{_SUFFIX}"

    def _mark_used(self, key: str, path: Path) -> None:
        now = time.monotonic()
        if now - self._used.get(key, -_TOUCH_AFTER) >= _TOUCH_AFTER:
            self._used[key] = now
            with suppress(OSError):
                os.utime(path)

    def _discard(self, path: Path, reason: str) -> None:
        self.tell(f"`{path}` is damaged ({reason}): it is removed and computed again")
        with suppress(OSError):
            _remove(path)

    def _make_room(self, size: int) -> None:
        """Count what is stored, remove what was used least recently if it is too much, and allow the next part of the limit.

        While another process does so, that part is allowed without.
        """
        self._room = size
        try:
            with FileLock(self.folder / ".lock").acquire(timeout=0):
                stored = files(self.folder)
                total = sum(file.size for file in stored)
                limit = total + free_bytes(self.folder)
                limit = limit if self.limit is None else min(limit, self.limit)
                part = max(size, limit // _BETWEEN_COUNTS)
                total -= self._evict(stored, total + part - limit)
                self._room = min(part, limit - total)
        except Timeout:
            pass
        except OSError as error:
            self._room, self._writes = 0, False
            self.tell(f"`{self.folder}` can't be written ({error.strerror}): no more hidden states are stored")
        if self._room < size and self._writes:
            self.tell(
                f"`{self.folder}` has no room for more (`--cache-gib`, or the disk): what is missing is computed each time"
            )
            self._writes = False

    def _evict(self, stored: list[File], excess: int) -> int:
        """Remove so many bytes, or what may be removed; returns how many were."""
        removed = 0
        for path, told in _listed(self.folder) if excess > 0 else ():
            if path.suffix == _PARTIAL and time.time() - told.st_mtime > _ABANDONED_AFTER:
                _remove(path)
        for file in sorted(stored, key=lambda file: file.used):
            if removed >= excess:
                break
            if file.path.stem not in self._used:
                _remove(file.path)
                removed += file.size
        return removed


def _listed(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Files of a store, and temporary ones; what disappears meanwhile is left out."""
    for place in sorted(folder.glob("[0-9a-f][0-9a-f]")):
        with suppress(NotADirectoryError), os.scandir(place) as found:
            for item in found:
                if item.name.endswith((_SUFFIX, _PARTIAL)):
                    with suppress(FileNotFoundError):
                        yield Path(item.path), item.stat(follow_symlinks=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
