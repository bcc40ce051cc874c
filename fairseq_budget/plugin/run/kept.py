"""Checkpoints at equal shares of the budget, kept beside fairseq's own."""

from __future__ import annotations

import os
from pathlib import Path


class KeptCheckpoints:
    """Knows when a share of the budget has passed, and keeps the checkpoint that is written then.

    The file is a second name for fairseq's (a hard link): it costs no space of its own until fairseq deletes that one.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.passed = 0
        self.due = False

    def pass_by(self, progress: float) -> bool:
        """Take note of the progress; whether another share has passed since the last time."""
        passed = int(min(progress, 1.0) * self.count)
        if passed <= self.passed:
            return False
        self.passed, self.due = passed, True
        return True

    def resume(self, progress: float) -> None:
        """Go on at a progress whose shares were kept before: the next save is no checkpoint of theirs."""
        self.passed, self.due = int(min(progress, 1.0) * self.count), False

    def keep(self, path: Path) -> None:
        """Give the checkpoint of a passed share its lasting name, `checkpoint_<share>_of_<count>.pt`."""
        if not self.due:
            return
        self.due = False
        name = path.with_name(f"checkpoint_{self.passed}_of_{self.count}.pt")
        name.unlink(missing_ok=True)
        try:
            os.link(path, name)
        except OSError:  # a file system without hard links
            name.write_bytes(path.read_bytes())
