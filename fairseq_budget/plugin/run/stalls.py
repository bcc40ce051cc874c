"""A rank that makes no progress: every rank's stack is printed, and the job ends instead of waiting for days.

When one rank hangs, the others wait for it in their next exchange, so the timers of all of them run out.
"""

from __future__ import annotations

import faulthandler
import math
import sys
import time
from contextlib import suppress

LEAST_SECONDS = 1.0
"""Between two windings, each of which starts a thread: at small models it was 5% of an update."""


class StallGuard:
    """A timer that is wound up at every sign of progress; it works while Python itself is stuck, too."""

    def __init__(self, minutes: float | None) -> None:
        """None: no timer."""
        self.seconds = None if minutes is None else 60 * minutes
        self._wound = -math.inf

    def progress(self) -> None:
        """A batch, a validation step or a save is done: wait as long again for the next."""
        if self.seconds is None or sys.__stderr__ is None:
            return
        now = time.monotonic()
        if now - self._wound >= min(LEAST_SECONDS, self.seconds / 10):
            self._wound = now
            with suppress(ValueError, OSError):  # a standard error that is no file
                faulthandler.dump_traceback_later(self.seconds, exit=True, file=sys.__stderr__)

    def end(self) -> None:
        """Nothing more is waited for."""
        self._wound = -math.inf
        faulthandler.cancel_dump_traceback_later()
