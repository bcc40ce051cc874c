"""Values out of files that hold each other: lists, dictionaries and what refers to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

MOST_VALUES = 2_000_000
DEEPEST = 100


def parts_of(value: Any) -> Iterable[Any]:
    """What lists, tuples, sets and dictionaries hold."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def check_nesting(value: Any, parts: Callable[[Any], Iterable[Any]] = parts_of) -> None:
    """Refuse what a walk through `value` would never come to the end of; `parts` gives what a value holds.

    A file may name a list twice in a list, that one twice in the next, and so on: few bytes, but no walk through them ends.

    Raises:
        ValueError: values that hold themselves, or more than a file of settings or weights has.
    """
    level, count = [value], 0
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for item in level:
            inner.extend(parts(item))
            if count + len(inner) > MOST_VALUES:
                raise ValueError(f"it holds more than {MOST_VALUES:,} values, or some of them again and again")
        if not inner:
            return
        level, count = inner, count + len(inner)
    raise ValueError(f"its values are nested more than {DEEPEST} deep, or hold themselves")
