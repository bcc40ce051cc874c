"""A place for what was found out about a corpus: the user's own, as a corpus may be shared."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

from fairseq_budget.errors import BudgetError


def corpus_cache(root: str, content: bytes) -> Path:
    """A folder for what was found out about the corpus in `root`, whose lists are `content`; made if it isn't there.

    Raises:
        BudgetError: it can't be made, or somebody else can write to it.
    """
    digest = hashlib.sha256(os.fsencode(Path(root).resolve()) + b"\0" + content).hexdigest()[:32]
    folder = platformdirs.user_cache_path("fairseq-budget") / "corpora" / digest
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = folder.stat()
    except OSError as error:
        raise BudgetError(f"`{folder}` can't be made ({error.strerror}): set XDG_CACHE_HOME to a folder of yours") from error
    if told.st_uid != os.getuid() or told.st_mode & 0o022:
        raise BudgetError(f"`{folder}` can be written to by others: set XDG_CACHE_HOME to a folder of yours")
    return folder
