"""Progress: a bar for a person, a line a minute for a log file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn, track

T = TypeVar("T")


_SECONDS_BETWEEN_LINES = 60.0


def tracked(items: Iterable[T], description: str, total: int | None) -> Iterable[T]:
    """The items, with a bar on standard error while they last; where that is not a terminal, a line each minute."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return _logged(items, description, total, console)
    return track(items, description, total, console=console, transient=True)


def _logged(items: Iterable[T], description: str, total: int | None, console: Console) -> Iterator[T]:
    begun = told = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - told < _SECONDS_BETWEEN_LINES:
            continue
        told = now
        left = "" if total is None else f" of {total:,}, {(now - begun) * (total / done - 1) / 60:.0f} min left"
        console.print(f"{description}: {done:,}{left}", highlight=False, soft_wrap=True)


@contextmanager
def byte_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar for `total` bytes, shown as ``tracked``'s is: a function that is told how many are done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.update(task, completed=done)
