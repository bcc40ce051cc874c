"""Errors that are addressed to the user."""

from __future__ import annotations

from collections.abc import Iterable


class BudgetError(Exception):
    """Something the user can put right.

    The message says what is wrong, where (file, line or key), and what to do.  The command line prints it as one line
    without a traceback.  What a file's or a user's own words would do to a terminal is shown, not done.
    """

    def __str__(self) -> str:
        return "".join(mark if mark.isprintable() or mark == "\n" else repr(mark)[1:-1] for mark in super().__str__())


class ConfigError(BudgetError, ValueError):
    """A setting that cannot be used: names the key, the rule and the value received."""


class MissingPackage(BudgetError):
    """A package that isn't installed; the message says how to install it."""


def unknown_name(kind: str, name: object, known: Iterable[object]) -> ConfigError:
    """The error for a name that is not in a table; lists the names that are."""
    return ConfigError(f"unknown {kind} `{name}`: choose one of {', '.join(str(k) for k in known)}")
