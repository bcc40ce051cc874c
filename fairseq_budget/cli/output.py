"""What commands print their tables as, and where."""

from __future__ import annotations

import os

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 200
"""Columns of a file or a pipe, so that a name there stays in one piece for ``grep``; a terminal has its own."""


def output() -> Console:
    """Standard output; ``COLUMNS`` of the environment overrules its width."""
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=WIDTH)


def plain_table(*headings: str, left: int = 1) -> Table:
    """A table without frames, its first `left` columns flush left, the numbers of the others flush right."""
    made = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        made.add_column(heading, justify="left" if place < left else "right", overflow="fold")
    return made
