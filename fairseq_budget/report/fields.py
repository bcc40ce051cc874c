"""Checked reading of a record: whatever is wrong with the file becomes one line that names it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError


class Fields:
    """A JSON object of a record file with typed look-ups; keys nobody asks for are ignored.

    Args:
        source: the file, for error messages.
        values: the object.
        prefix: where the object lies inside the file (``spent.``), for error messages.
    """

    def __init__(self, source: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        self.source, self.values, self.prefix = source, values, prefix

    def text(self, key: str) -> str:
        """A string that has to be there."""
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a name", value)
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or None where the key is missing, null or empty."""
        return None if self.values.get(key) in (None, "") else self.text(key)

    def number(self, key: str) -> float:
        """A finite number that has to be there."""
        value = self.number_or_nan(key)
        if not math.isfinite(value):
            raise self._wrong(key, "a finite number", self.values.get(key))
        return value

    def number_or_nan(self, key: str) -> float:
        """A number, or NaN where the key is missing or null (a loss that diverged may be recorded as NaN, too)."""
        value = self.values.get(key)
        if value is None:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number", value)
        return float(value)

    def numbers(self, key: str, needed: Iterable[str] = ()) -> dict[str, float]:
        """An object of finite numbers that has to be there, with at least the `needed` ones; nulls are left out."""
        inner = self.inner(key)
        if not inner.values:
            raise self._wrong(key, "an object of numbers", self.values.get(key))
        given = {name for name, value in inner.values.items() if value is not None}
        return {name: inner.number(name) for name in sorted(given | set(needed))}

    def inner(self, key: str) -> Fields:
        """The object under `key`; an empty one where it is missing or null."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(key, "an object", value)
        return Fields(self.source, value or {}, f"{self.prefix}{key}.")

    def _wrong(self, key: str, rule: str, value: object) -> BudgetError:
        return BudgetError(
            f"{self.source}: `{self.prefix}{key}` must be {rule}, but is {value!r}; "
            "write the record again (resume the run) or move its folder out of the study"
        )


def read_record(path: Path, kind: str) -> Fields:
    """The record file at `path`, which must be a JSON object of that `kind` (``pretrain``, ``downstream``)."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BudgetError(
            f"{path}: not a readable record ({error}); resume the run to write it again, or move its folder away"
        ) from error
    if not isinstance(values, dict) or values.get("kind") != kind:
        found = values.get("kind") if isinstance(values, dict) else type(values).__name__
        raise BudgetError(f'{path}: must be a JSON object with "kind": "{kind}", but is {found!r}; is it in its folder?')
    return Fields(path, values)
