"""The published rule: utterances sorted by length, neighbours in one batch (Liu et al. 2024, as fairseq's batches are made).

Letters: N utterances, M batches, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fairseq_budget.data.packing.batches import Batches


class Neighbours:
    """Longest first, as many as fit at the length of the first; rows as long as the shortest, or as the longest if padded.

    Of eight rows or more, a multiple of `multiple` is taken, as fairseq does for GPUs' sake.  A batch is seldom full: n rows
    of L samples are the most that fits unless n * L happens to be the limit, and utterances of equal length meet again and
    again.
    """

    def __init__(self, lengths: np.ndarray, max_samples: int, max_utterances: int, padding: bool, multiple: int = 1) -> None:
        self.lengths, self.max_samples, self.max_utterances = lengths, max_samples, max_utterances
        self.multiple, self.padding = multiple, padding
        self.row_length = longest if padding else shortest

    def batches(self, rng: np.random.Generator) -> Batches:
        """Every utterance in exactly one batch; equal lengths in random order."""
        drawn = rng.permutation(np.arange(len(self.lengths), dtype=np.int32))
        # as np.lexsort((drawn, lengths)), which takes more time and memory
        place = np.empty_like(drawn)
        place[drawn] = np.arange(len(drawn), dtype=np.int32)
        order = place[np.argsort(self.lengths[place], kind="stable")][::-1]
        return Batches.of_sizes(order, np.concatenate([np.empty(0, np.int64), *self._sizes(self.lengths[order])]))

    def row_lengths(self, shortest: np.ndarray, longest: np.ndarray) -> np.ndarray:
        """Shape: (M,), (M,) -> (M,)"""
        return longest if self.padding else shortest

    def _sizes(self, lengths: np.ndarray) -> Iterator[np.ndarray]:
        """Rows of the batches, for each number of rows that fit.  Shape: lengths (N,), falling -> (equal batches,)"""
        count, start, rising = len(lengths), 0, -lengths
        while start < count:
            fitting = self.max_samples // int(lengths[start])
            rows = min(fitting, self.max_utterances)
            if rows >= count - start:  # what is left at the end is taken as it is
                yield np.array([count - start])
                return
            size = max(rows - rows % self.multiple, rows % self.multiple)
            # the first utterance of which more would fit, or that has no more behind it than fit
            shorter = int(np.searchsorted(rising, rising.dtype.type(-(self.max_samples // (fitting + 1)))))
            end = min(shorter, count - rows)
            same = -(-(end - start) // size)
            yield np.full(same, size)
            start += same * size


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
