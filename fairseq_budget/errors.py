"""Errors that are addressed to the user."""

from __future__ import annotations

from collections.abc import Iterable


class BudgetError(Exception):
    """Something the user can put right.

    The message says what is wrong, where (file, line or key), and what to do.  The command line prints it as one line
    without a traceback.
    """


class ConfigError(BudgetError, ValueError):
    """A setting that cannot be used: names the key, the rule and the value received."""


class MissingPackage(BudgetError):
    """A package that isn't installed; the message says how to install it."""


def unknown_name(kind: str, name: object, known: Iterable[object]) -> ConfigError:
    """The error for a name that is not in a table; lists the names that are."""
    return ConfigError(f"unknown {kind} `{name}`: choose one of {', '.join(str(k) for k in known)}")
