"""An error for the user, shown by Hydra as its message alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hydra.errors import CompactHydraException

from fairseq_budget.errors import BudgetError


class UserError(BudgetError, CompactHydraException):
    """Hydra prints a CompactHydraException without its traceback."""


class StopRun(UserError, RuntimeError):
    """Ends a run during an update.  A RuntimeError, too, because that is what fairseq lets through as it is."""


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Let a :class:`BudgetError` reach the user as one line."""
    try:
        yield
    except BudgetError as error:
        raise UserError(str(error)) from None
