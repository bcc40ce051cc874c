"""One writer at a time: who writes into a folder locks it, and a second process is told who has it and since when."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from fairseq_budget.errors import BudgetError

RUN = ".lock"
"""The lock of a training run, in its folder of checkpoints."""
ENDING = 20.0
"""Seconds to wait for a process that is ending: what loads its data ends some seconds after it."""

FOR_EVER = -1.0
"""Seconds to wait where waiting is what's wanted."""


def acquire(path: Path, wait: float | None = None) -> FileLock:
    """Lock a folder by a file in it, until the lock is released or the process ends.

    Args:
        path: the lock's file; who has it is written in it.
        wait: seconds for the end of another process; `ENDING` if None.

    Raises:
        BudgetError: another process has it still, or the folder can't be written.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=ENDING if wait is None else wait)
        path.write_text(json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": _now()}) + "\n")
    except Timeout:
        raise BudgetError(f"`{path.parent.absolute()}` is in use by {owner(path)}: wait for its end, or end it") from None
    except OSError as error:
        raise BudgetError(f"`{path.parent.absolute()}` can't be written ({error.strerror})") from None
    return lock


@contextmanager
def alone(path: Path, wait: float | None = None) -> Iterator[None]:
    """Inside, this process is the only one that has the lock; errors as of :func:`acquire`."""
    lock = acquire(path, wait)
    try:
        yield
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Whether a process has a lock; nothing is made where there is none."""
    if not path.is_file():
        return False
    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def owner(path: Path) -> str:
    """Who has a lock, in words."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(path.read_text())
        return f"process {told['process']} on {told['host']} since {told['since']}"
    return "another process"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
