"""The part of the check that opens no audio: the trainer runs it at every start.

That files are there is `data/presence.py`'s part, that labels fit the trainer's label reader's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fairseq_budget.data.manifest import Utterances


def cheap_checks(split: str, utterances: Utterances, others: Mapping[str, Utterances]) -> list[str]:
    """Look for rows that are listed twice in a split, or also in one of the `others`; what is worth a line in the log.

    Takes a second or two for 300,000 rows.  The same audio in two files is only found by `fairseq-budget check`.
    """
    warnings = []
    rows = _row_hashes(utterances)
    if repeated := len(rows) - len(np.unique(rows)):
        warnings.append(f"{split}: {repeated} of {len(rows)} rows are listed twice; see `fairseq-budget check`")
    for name, other in others.items():
        if shared := len(np.intersect1d(rows, _row_hashes(other))):
            warnings.append(f"{split} and {name} have {shared} rows in common; see `fairseq-budget check`")
    return warnings


def _row_hashes(utterances: Utterances) -> np.ndarray:
    """A number for each row, equal for rows of the same pieces.  Shape: -> (N,) int64"""
    root = str(utterances.root)
    hashes = (hash((root, tuple(utterances.parts(index)))) for index in range(len(utterances)))
    return np.fromiter(hashes, dtype=np.int64, count=len(utterances))
