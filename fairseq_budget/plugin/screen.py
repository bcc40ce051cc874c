"""What training shows on the screen: where the run is, what it decided, and warnings.

Everything else (configuration, printed model, statistics as JSON, the coming and going of epochs, warnings of Python) is
in the log file beside the run, as ever.  The recipes' ``hydra.job_logging`` names this class;
``hydra.job_logging.handlers.console.class=logging.StreamHandler`` has everything on the screen, too.
"""

from __future__ import annotations

import json
import logging
import shutil
from typing import Any, TextIO

OURS = "fairseq_budget"
VALIDATION = "valid"
"""The logger to which fairseq writes what validation found."""
PROGRESS = "fairseq_budget.plugin.run.progress"
BATCHES = "fairseq_budget.plugin.dataset"
"""The logger that tells of an epoch's batches, of which those of the first are enough."""
TOLD = ("Loaded checkpoint", "done training")
"""Beginnings of what fairseq tells that its users look for: from where a run goes on, and that it ended."""
CLEAR = "\r\x1b[2K"
"""Goes to the beginning of a terminal's line and empties it."""


class Screen(logging.StreamHandler[TextIO]):
    """A handler for the console."""

    current: Screen | None = None

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._batches_told: set[str] = set()
        Screen.current = self
        logging.captureWarnings(True)  # into the log file

    @property
    def is_terminal(self) -> bool:
        return self.stream.isatty()

    def filter(self, record: logging.LogRecord) -> Any:
        return super().filter(record) and self._is_told(record)

    def _is_told(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return record.name != "py.warnings"
        if record.name == PROGRESS:
            return not self.is_terminal  # there, a line of its own tells it more often
        if record.name == BATCHES:
            return self._is_first_of(str(record.msg))
        return record.name.startswith(OURS) or record.name == VALIDATION or str(record.msg).startswith(TOLD)

    def _is_first_of(self, message: str) -> bool:
        first = message not in self._batches_told
        self._batches_told.add(message)
        return first

    def format(self, record: logging.LogRecord) -> str:
        if record.name != VALIDATION:
            return super().format(record)
        found = json.loads(record.getMessage())
        words = f"validation after {found.get('valid_num_updates')} updates: loss {found.get('valid_loss')}"
        return super().format(logging.LogRecord(record.name, record.levelno, "", 0, words, None, None))

    def emit(self, record: logging.LogRecord) -> None:
        if self.is_terminal:
            self.stream.write(CLEAR)
        super().emit(record)


def show_progress(line: str) -> None:
    """Replace the last line of a terminal; elsewhere the log's line, once a minute, is enough."""
    screen = Screen.current
    if screen is not None and screen.is_terminal:
        screen.stream.write(CLEAR + line[: shutil.get_terminal_size().columns - 1])
        screen.stream.flush()
