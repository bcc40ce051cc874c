"""``fairseq-budget watch``: how far runs are, by what they write into their folders."""

from __future__ import annotations

import math
import re
import sys
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.errors import BudgetError
from fairseq_budget.records.base import FILE, kind_of
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.finetuning import FinetuningRecord
from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.records.progress import FILE as PROGRESS
from fairseq_budget.records.progress import read_progress

NOISE = re.compile(
    r"^\[|^DEBUG:|Warning|^ |^$|it/s\]|s/it\]|^Config search path|^\tprovider=|^Error executing"
    r"|^Set the environment variable"
)
"""Lines that don't say why a run failed: logs, warnings, the printed model, progress bars, Hydra's advice."""
KINDS = {kind.KIND: kind for kind in (PretrainingRecord, FinetuningRecord, DownstreamRecord)}
LINES_OF_AN_ERROR = 15
SECONDS = 0.5
"""From one look at the folders to the next."""


class WatchedRun:
    """What the folder of a run tells of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.begun = folder, time.time()
        self._read: PretrainingRecord | DownstreamRecord | None = None
        self._changed: int | None = None

    @property
    def record(self) -> PretrainingRecord | DownstreamRecord | None:
        """Read where it has changed: it is asked for twice a second, of every run."""
        path = self.folder / FILE
        changed = path.stat().st_mtime_ns if path.is_file() else None
        if changed != self._changed:
            kind = KINDS.get(kind_of(path) or "")
            with suppress(BudgetError):
                self._read = None if kind is None else kind.read(path)
            self._changed = changed
        return self._read

    @property
    def ended(self) -> bool:
        record = self.record
        return record is not None and record.finished

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        record, progress = self.record, read_progress(self.folder / PROGRESS)
        shares = [record.share] if isinstance(record, PretrainingRecord) else []
        return 1.0 if self.ended else min(max([*shares, progress.share if progress else 0.0]), 1.0)

    def summary(self) -> str:
        """One line on how it ended."""
        record = self.record
        if isinstance(record, DownstreamRecord):
            return ", ".join(f"{name} {score:.4g}" for name, score in record.scores.items() if score is not None)
        if record is None:
            return "no record was written"
        if self.ended and (self.folder / FILE).stat().st_mtime < self.begun:
            return "the budget was spent before"
        spent = record.amounts_spent
        heard = numbers.hours(spent.get("hours_heard", math.nan))
        losses = [("training", record.metrics.train_loss), ("validation", record.metrics.valid_loss)]
        told = [f"{name} loss {'not measured' if loss is None else numbers.loss(loss)}" for name, loss in losses]
        return ", ".join(
            [f"{human_flops(spent['flops'])} ({numbers.percent(record.share)} of the budget)", f"{heard} heard", *told]
        )


class WatchedRuns:
    """The runs of one command, and the lines that it prints."""

    def __init__(self, folders: list[Path]) -> None:
        self.runs = [WatchedRun(folder) for folder in folders]
        self.unexplained: deque[str] = deque(maxlen=LINES_OF_AN_ERROR)

    def listen(self, lines: Iterable[str]) -> None:
        """Hear every line until the command ends."""
        for line in lines:
            self.hear(line.rstrip())

    def hear(self, line: str) -> None:
        """Keep a line that may say why a run failed."""
        if not NOISE.search(line):
            self.unexplained.append(line)

    @property
    def ended(self) -> int:
        return sum(run.ended for run in self.runs)

    @property
    def share(self) -> float:
        return sum(run.share for run in self.runs) / len(self.runs)

    @property
    def told(self) -> str:
        """What stands beside the name while they run."""
        return f"  {self.ended} of {len(self.runs)} runs" if len(self.runs) > 1 else ""

    def summary(self) -> str:
        """One line on how they ended, or the last lines that may say why one failed."""
        if self.ended < len(self.runs) and self.unexplained:
            return "\n".join(self.unexplained)
        if len(self.runs) > 1:
            return f"{self.ended} of {len(self.runs)} runs ended"
        return self.runs[0].summary()


def watch(
    name: Annotated[str, typer.Argument(help="What is run, such as `hubert slim`.")],
    folders: Annotated[list[Path], typer.Argument(help="Folder of each run (hydra.run.dir; s3prl's -p).")],
) -> None:
    """Show how far runs are, by the records in their folders; their output, on standard input, is kept from the screen, and
    its last lines shown where a run fails.

    Use: fairseq-hydra-train ... hydra.run.dir=DIR 2>&1 | fairseq-budget watch NAME DIR
    """
    console = Console(stderr=True)
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), *times)
    runs = WatchedRuns(folders)
    listener = Thread(target=runs.listen, args=(sys.stdin,), daemon=True)
    listener.start()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar, ended = progress.add_task(name, total=1.0), runs.ended
        while listener.is_alive():
            listener.join(SECONDS)
            progress.update(bar, completed=runs.share, description=name + runs.told)
            if runs.ended > ended and len(runs.runs) > 1 and not console.is_terminal:
                ended = runs.ended
                console.print(f"{name}:{runs.told}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"{name}: {runs.summary()}", highlight=False, markup=False, soft_wrap=True)
