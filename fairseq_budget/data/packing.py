"""Batches from lengths."""

from __future__ import annotations

import numpy as np


def pack_sorted(lengths: np.ndarray, max_samples: int, max_utterances: int | None = None) -> list[np.ndarray]:
    """Cut a list of utterances, sorted by length, into batches that fit.

    A batch of n utterances, the longest of which has L samples, costs ``n * L``.  Every utterance is in exactly one batch
    and neighbours stay neighbours, so that little is lost to cropping or padding.

    Shape: lengths (N,) int, sorted in falling order -> list of index arrays into it.

    Raises:
        ValueError: an utterance alone is longer than `max_samples`, or the lengths aren't sorted.
    """
    if len(lengths) and lengths[0] > max_samples:
        raise ValueError(f"an utterance of {lengths[0]} samples doesn't fit into a batch of {max_samples}")
    if np.any(np.diff(lengths) > 0):
        raise ValueError("lengths must be sorted in falling order")
    batches, start = [], 0
    while start < len(lengths):
        # sorted: the first of a batch is its longest
        count = int(max_samples // lengths[start])
        count = min(count, max_utterances or count)
        batches.append(np.arange(start, min(start + count, len(lengths))))
        start += count
    return batches
