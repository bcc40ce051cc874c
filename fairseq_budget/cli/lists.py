"""Values with commas between them, on command lines."""

from __future__ import annotations

from typing import TypeVar

from fairseq_budget.errors import ConfigError

N = TypeVar("N", int, float)


def names_in(text: str) -> list[str]:
    """Each name once, in order, without the blanks around it."""
    return list(dict.fromkeys(name for word in text.split(",") if (name := word.strip())))


def numbers_in(option: str, text: str, kind: type[N]) -> list[N]:
    """Numbers as they are given.

    Raises:
        ConfigError: something else, or a number below 0; names the option.
    """
    try:
        values = [kind(word) for word in text.split(",")]
    except ValueError:
        raise ConfigError(f"`{option}` must be numbers, comma-separated, but is `{text}`") from None
    if any(not value >= 0 for value in values):
        raise ConfigError(f"`{option}` must be numbers from 0, but is `{text}`")
    return values
