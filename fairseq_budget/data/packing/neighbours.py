"""The published rule: utterances sorted by length, neighbours in one batch (Liu et al. 2024, as fairseq's batches are made).

Letters: N utterances, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class Neighbours:
    """Longest first, as many as fit at the length of the first; rows as long as the shortest, or as the longest if padded.

    Of eight rows or more, a multiple of `multiple` is taken, as fairseq does for GPUs' sake.  A batch is seldom full: n rows
    of L samples are the most that fits unless n * L happens to be the limit, and utterances of equal length meet again and
    again.
    """

    def __init__(self, lengths: np.ndarray, max_samples: int, max_utterances: int, padding: bool, multiple: int = 1) -> None:
        self.lengths, self.max_samples, self.max_utterances = lengths, max_samples, max_utterances
        self.multiple = multiple
        self.row_length = longest if padding else shortest

    def batches(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Every utterance in exactly one batch; equal lengths in random order.  Shape: -> list of (B,) int64."""
        order = np.lexsort((rng.permutation(len(self.lengths)), self.lengths))[::-1]
        found, start = [], 0
        while start < len(order):
            rows = min(int(self.max_samples // self.lengths[order[start]]), self.max_utterances)
            if rows < len(order) - start:  # what is left at the end is taken as it is
                rows = max(rows - rows % self.multiple, rows % self.multiple)
            found.append(order[start : start + rows])
            start += rows
        return found


def padded_batches(lengths: np.ndarray, max_samples: int) -> Iterator[list[int]]:
    """For passes without training: shortest first, as many as fit padded to the longest of them; at least one.

    Shape: lengths (N,) -> lists of indices
    """
    batch: list[int] = []
    for index in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * int(lengths[index]) > max_samples:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def shortest(lengths: np.ndarray) -> int:
    """Row length of a batch that is cropped.  Shape: lengths (B,) -> S."""
    return int(lengths.min())


def longest(lengths: np.ndarray) -> int:
    """Row length of a batch that is padded.  Shape: lengths (B,) -> S."""
    return int(lengths.max())
