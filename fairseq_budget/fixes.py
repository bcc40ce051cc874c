"""What a host needs to run on today's packages: fixes that are applied in order, each of which may not be needed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairseq_budget.errors import BudgetError

Fix = Callable[[], bool]
"""Puts something right, or finds it right; whether it is in place.  False: it isn't needed here."""


def apply_fixes(host: str, fixes: Sequence[Fix]) -> dict[str, bool]:
    """Apply a host's fixes; by name, whether each is in place.  May be called again.

    Raises:
        BudgetError: one doesn't fit the installed packages.
    """
    in_place = {}
    for fix in fixes:
        try:
            in_place[fix.__name__] = fix()
        except BudgetError:
            raise
        except Exception as error:  # whatever another release may have changed
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise BudgetError(
                f"`{fix.__name__}`, which {host} needs, doesn't fit the installed packages ({reason}): install those of "
                "constraints.txt"
            ) from error
    return in_place
