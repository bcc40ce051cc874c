"""One task in a process of its own: ``python -m s3prl_upstreams.sweep.worker SETTINGS``, which are JSON.

What s3prl and its experts print goes to ``output.txt`` in the task's folder.  What the caller needs to know comes on
standard output, a JSON object on each line: {"stage", "done", "of", "seconds_left"} while it works, {"note"} for a line to
show, and {"error"} if it could not end.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

import torch

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.host import compat, hub
from s3prl_upstreams.run_downstream import one_line
from s3prl_upstreams.store.use import LOGGER
from s3prl_upstreams.sweep import layers, protocol, rows
from s3prl_upstreams.sweep.settings import from_json

OUTPUT = "output.txt"
_SECONDS_BETWEEN_REPORTS = 0.5


class Reporter:
    """Tells the caller how far the task is; ends the process when nobody listens any more."""

    def __init__(self, channel: TextIO) -> None:
        self.channel, self.last = channel, 0.0
        self.began: dict[str, tuple[float, int]] = {}

    def __call__(self, stage: str, done: int, of: int) -> None:
        now = time.monotonic()
        since, first = self.began.setdefault(stage, (now, done))
        if done == of:
            self.began.pop(stage)
        elif now - self.last < _SECONDS_BETWEEN_REPORTS:
            return
        self.last = now
        left = (now - since) / (done - first) * (of - done) if done > first else None
        self.tell(stage=stage, done=done, of=of, seconds_left=left)

    def tell(self, **values: Any) -> None:
        """Write a line."""
        try:
            print(json.dumps(values), file=self.channel, flush=True)
        except BrokenPipeError:
            os._exit(1)


class Notes(logging.Handler):
    """Tells the caller each line that is logged, once: a task's variants have the same to say."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self.reporter, self.told = reporter, set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, which goes to the task's output, too."""
        message = record.getMessage()
        if message not in self.told:
            self.told.add(message)
            print(message, flush=True)
            self.reporter.tell(note=message)


def main() -> int:
    """Do the task that the settings name; 1 if it could not be done, with the reason in its record."""
    settings = from_json(sys.argv[1])
    settings.folder.mkdir(parents=True, exist_ok=True)
    reporter = Reporter(_own_output(settings.folder / OUTPUT))
    LOGGER.addHandler(Notes(reporter))
    try:
        prepare_process()
        (protocol.sweep_task if settings.superb.trains else layers.sweep_layers)(settings, reporter)
    except Exception as error:  # whatever a host may raise ends this task alone
        traceback.print_exc()
        message = one_line(error) if isinstance(error, BudgetError) else f"{type(error).__name__}: {error}"
        rows.write_error(settings, message)
        reporter.tell(error=message)
        return 1
    return 0


def prepare_process() -> None:
    """Make s3prl usable, and torch as s3prl's launcher sets it."""
    compat.apply()
    hub.install()
    torch.multiprocessing.set_sharing_strategy("file_system")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def _own_output(path: Path) -> TextIO:
    """Send what this process and its children print to a file; returns what was standard output."""
    channel = os.fdopen(os.dup(1), "w")
    with path.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    return channel


if __name__ == "__main__":
    sys.exit(main())
