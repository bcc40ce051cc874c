"""The user's own place for what was found out about a corpus, which others may share."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

from fairseq_budget.errors import BudgetError


def user_cache(kind: str, *content: bytes) -> Path:
    """A folder for what was found out about `content`, such as a corpus's place and lists; made if it isn't there.

    Raises:
        BudgetError: it can't be made, or somebody else can write to it.
    """
    folder = _all_of(kind) / hashlib.sha256(b"\0".join(content)).hexdigest()[:32]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = folder.stat()
    except OSError as error:
        raise BudgetError(f"`{folder}` can't be made ({error.strerror}): set XDG_CACHE_HOME to a folder of yours") from error
    if told.st_uid != os.getuid() or told.st_mode & 0o022:
        raise BudgetError(f"`{folder}` can be written to by others: set XDG_CACHE_HOME to a folder of yours")
    return folder


def is_cached(kind: str, path: Path) -> bool:
    """Whether a file lies in a folder that `user_cache` made for this kind."""
    return _all_of(kind) in path.parents


def _all_of(kind: str) -> Path:
    return platformdirs.user_cache_path("fairseq-budget").resolve() / kind
