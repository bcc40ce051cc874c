"""The part of the check that opens no audio: the trainer runs it at every start.

That files are there is `data/presence.py`'s part, that labels fit the trainer's label reader's.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.manifest import Utterances

LITTLE = 0.5
"""An epoch that hears less of its data than this is worth a line."""


def cheap_checks(split: str, utterances: Utterances, others: Mapping[str, Utterances], crop: int | None = None) -> list[str]:
    """Look for rows that are listed twice in a split, or also in one of the `others`; what is worth a line in the log.

    `crop`: the longest crop, in samples, of data that is trained on as it is; one that hears little is worth a line, too.

    Takes some seconds for ten million rows.  The same audio in two files is only found by `fairseq-budget check`.
    """
    warnings = []
    if crop is not None and (heard := _heard(utterances, crop)) < LITTLE:
        warnings.append(
            f"{split}: with one crop of {crop / SAMPLE_RATE:.3g} s of each utterance, an epoch hears {heard:.1%} of its "
            f"{utterances.hours:.2f} h; `task.segment_seconds={crop / SAMPLE_RATE:.3g}` would hear all"
        )
    rows = _row_hashes(utterances)
    if repeated := len(rows) - len(np.unique(rows)):
        warnings.append(f"{split}: {repeated} of {len(rows)} rows are listed twice; see `fairseq-budget check`")
    for name, other in others.items():
        if shared := len(np.intersect1d(rows, _row_hashes(other))):
            warnings.append(f"{split} and {name} have {shared} rows in common; see `fairseq-budget check`")
    return warnings


def _heard(utterances: Utterances, crop: int) -> float:
    """The share of the audio that is in one crop of each utterance."""
    return float(np.minimum(utterances.frames, crop).sum() / utterances.frames.sum())


def _row_hashes(utterances: Utterances) -> np.ndarray:
    """A number for each row, equal for rows of the same pieces.  Shape: -> (N,) int64"""
    hashes = chain.from_iterable(map(hash, rows) for _, rows in utterances.rows())
    return np.fromiter(hashes, dtype=np.int64, count=len(utterances)) ^ hash(str(utterances.root))
