"""A place for what was found out about a corpus, beside the lists that describe it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from fairseq_budget.errors import BudgetError


def corpus_cache(beside: Path, root: str, content: bytes) -> Path:
    """A folder `beside`/.cache/DIGEST for what was found out about the corpus in `root`, made if it isn't there."""
    digest = hashlib.sha256(os.fsencode(Path(root).resolve()) + b"\0" + content).hexdigest()[:16]
    folder = beside / ".cache" / digest
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BudgetError(f"`{folder}` can't be made ({error.strerror}): copy the lists to a folder of yours") from error
    return folder
