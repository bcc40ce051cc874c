"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OK, NOTE, PROBLEM = "ok", "note", "problem"
"""Fine; something that not everybody needs is missing; something that is needed is broken."""


@dataclass(frozen=True)
class Check:
    """`found` is what is there, `remedy` what to do; `details` are for programs."""

    subject: str
    state: str
    found: str
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def listed(names: list[str], most: int = 6) -> str:
    """Some names for a line, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
