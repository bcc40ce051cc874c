"""A digest in a JSON object of its other entries, so that a record that was damaged isn't taken for another one."""

from __future__ import annotations

import difflib
import hashlib
import json
from typing import Any

KEY = "content_sha256"


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """The same entries with their digest; an earlier one is replaced."""
    plain = json.loads(json.dumps(content))  # what will be read: lists for tuples, texts for keys
    return {**plain, KEY: _digest(plain)}


def unsealed(content: dict[str, Any]) -> dict[str, Any]:
    """The entries that were read, without their digest; those that never had one (0.4.0 and earlier) are taken.

    Raises:
        ValueError: they aren't those that were written.
    """
    # a damaged key mustn't make a record one of those that never had it
    is_sealed = bool(difflib.get_close_matches(KEY, content, cutoff=0.85))
    if is_sealed and content.get(KEY) != _digest(content):
        raise ValueError(f"it has changed since it was written, `{KEY}` differs")
    return {key: value for key, value in content.items() if key != KEY}


def _digest(content: dict[str, Any]) -> str:
    others = {key: value for key, value in content.items() if key != KEY}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()
