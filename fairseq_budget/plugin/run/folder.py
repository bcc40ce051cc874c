"""The folder of checkpoints is one run's: two processes that write the same would take it back and forth in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from filelock import FileLock

from fairseq_budget import locks

_held: list[FileLock] = []


def hold(settings: Any) -> None:
    """Lock a run's folder until this process ends or begins another run, as in a multirun.

    `settings`: the section `checkpoint` of fairseq's configuration; None where nothing is saved.

    Raises:
        BudgetError: another process trains here.
    """
    while _held:
        _held.pop().release()
    if settings is not None and Path(settings.save_dir).is_dir():  # fairseq makes it before the task
        _held.append(locks.acquire(Path(settings.save_dir, locks.RUN)))
