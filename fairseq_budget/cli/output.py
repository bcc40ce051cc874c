"""Where commands print their tables."""

from __future__ import annotations

import os

from rich.console import Console

WIDTH = 200
"""Columns of a file or a pipe, so that a name there stays in one piece for ``grep``; a terminal has its own."""


def output() -> Console:
    """Standard output; ``COLUMNS`` of the environment overrules its width."""
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=WIDTH)
