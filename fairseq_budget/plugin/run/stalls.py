"""A rank that makes no progress: every rank's stack is printed, and the job ends instead of waiting for days.

When one rank hangs, the others wait for it in their next exchange, so the timers of all of them run out.
"""

from __future__ import annotations

import faulthandler
import sys
from contextlib import suppress


class StallGuard:
    """A timer that is wound up at every sign of progress; it works while Python itself is stuck, too."""

    def __init__(self, minutes: float | None) -> None:
        """None: no timer."""
        self.seconds = None if minutes is None else 60 * minutes

    def progress(self) -> None:
        """A batch, a validation step or a save is done: wait as long again for the next."""
        if self.seconds is not None and sys.__stderr__ is not None:
            with suppress(ValueError, OSError):  # a standard error that is no file
                faulthandler.dump_traceback_later(self.seconds, exit=True, file=sys.__stderr__)

    def end(self) -> None:
        """Nothing more is waited for."""
        faulthandler.cancel_dump_traceback_later()
