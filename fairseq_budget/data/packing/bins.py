"""The rule of the batch-size paper (Vaessen and van Leeuwen): random utterances of similar length through a queue, padded.

Letters: N utterances, M batches, B rows of a batch.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.packing.batches import Batches, extremes
from fairseq_budget.data.packing.neighbours import longest

BIN = 5_000
"""Utterances of a bin, neighbours by length."""
QUEUE = 50
"""Utterances that wait to be put into a batch."""
LARGEST_DIFFERENCE = 10 * SAMPLE_RATE
"""A batch whose longest member is longer than its shortest by more than this is dropped."""


class Bins:
    """Bins in random order, each shuffled, feed a queue; when it is full, its shortest utterance goes into the batch.

    A batch ends where one more would make it cost more than the limit, padding counted.  The queue keeps its long
    utterances to the end of the epoch.  Unlike the other rules this one may leave utterances out: those of dropped batches.
    """

    def __init__(self, lengths: np.ndarray, max_samples: int, max_utterances: int, padding: bool) -> None:
        self.lengths, self.max_samples, self.max_utterances = lengths, max_samples, max_utterances
        self.row_length = longest

    def row_lengths(self, shortest: np.ndarray, longest: np.ndarray) -> np.ndarray:
        """Shape: (M,), (M,) -> (M,)"""
        return longest

    def batches(self, rng: np.random.Generator) -> Batches:
        """Every utterance in one batch at most."""
        order = np.fromiter(self._queued(self._drawn(rng)), dtype=np.int32, count=len(self.lengths))
        cuts = np.array([0, *self._cuts(self.lengths[order].tolist())], dtype=np.int64)
        found = Batches(order, cuts)
        shortest, longest = extremes(found, self.lengths)
        return found.kept(longest - shortest <= LARGEST_DIFFERENCE)

    def _drawn(self, rng: np.random.Generator) -> Iterator[int]:
        """Every utterance once, a bin after the other."""
        order = np.argsort(self.lengths, kind="stable")
        for start in rng.permutation(np.arange(0, len(order), BIN)):
            yield from rng.permutation(order[start : start + BIN]).tolist()

    def _queued(self, drawn: Iterator[int]) -> Iterator[int]:
        """The same, in the order they leave the queue."""
        queue: list[tuple[int, int]] = []
        for index in drawn:
            heapq.heappush(queue, (int(self.lengths[index]), index))
            if len(queue) == QUEUE:
                yield heapq.heappop(queue)[1]
        yield from (index for _, index in sorted(queue))

    def _cuts(self, lengths: list[int]) -> Iterator[int]:
        """Where each batch ends."""
        rows = row = 0
        for place, length in enumerate(lengths):
            row = max(row, length)
            if (rows + 1) * row > self.max_samples or rows == self.max_utterances:
                yield place
                rows, row = 0, length
            rows += 1
        if rows:
            yield len(lengths)
