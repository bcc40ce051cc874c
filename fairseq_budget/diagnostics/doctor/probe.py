"""Asks a module, run in a process of its own, what it finds: a line of JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

LONGEST = 300
"""Seconds: importing a host from a slow network disk for the first time takes minutes."""


@dataclass(frozen=True)
class Answer:
    """What a process printed, or why it didn't."""

    value: Any = None
    error: str | None = None

    @property
    def missing_module(self) -> str | None:
        """The package whose absence ended it."""
        found = (self.error or "").partition("No module named ")[2]
        return found.strip("'\"").partition(".")[0] or None


def ask(module: str, *arguments: str) -> Answer:
    """What ``python -m module arguments`` has to say."""
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return Answer(error=f"no answer within {LONGEST} s")
    if done.returncode:
        return Answer(error=_reason(done))
    return Answer(json.loads(done.stdout.strip().splitlines()[-1]))


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of a traceback, without the path of the error's class; or the signal that ended the process."""
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name}"
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    kind, colon, text = last.partition(": ")
    return f"{kind.rpartition('.')[2]}{colon}{text}"
