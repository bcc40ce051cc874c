"""A progress bar that is there for a person and silent in a log file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def tracked(items: Iterable[T], description: str, total: int) -> Iterable[T]:
    """The items, with a bar on standard error while they last; nothing is shown where that is not a terminal."""
    console = Console(stderr=True)
    return track(items, description, total, console=console, transient=True, disable=not console.is_terminal)
