"""Full batches of a few shapes: rows have the length at which a whole number of them fills the batch.

Letters: N utterances, M batches, B rows of a batch, S samples of a row.
"""

from __future__ import annotations

import math

import numpy as np

from fairseq_budget.data.packing.batches import Batches

STEP = 1.2
"""How many times longer a row may be than that of the next bucket: to be in its own one costs nobody more than a sixth."""
CHUNK = 1 << 20
"""So many utterances are put into buckets at a time, which takes less memory."""
LARGEST_CROP = 2
"""How many times longer than its row an utterance may be that is put in a shorter bucket than its own."""


class Rows:
    """How long the rows of each bucket are; they fall.  It outlives the packer, which knows every utterance's length."""

    def __init__(self, lengths: np.ndarray, least: np.ndarray) -> None:
        """Shape: lengths (buckets,), and of the shortest utterance in each, least (buckets,)"""
        self.lengths, self.least = lengths, least

    def bucket(self, lengths: np.ndarray) -> np.ndarray:
        """Shape: lengths (N,) -> (N,) index of a bucket"""
        return np.minimum(np.searchsorted(-self.least, -lengths), len(self.lengths) - 1)

    def row_length(self, lengths: np.ndarray) -> int:
        """The bucket of the shortest member: the others are in the same one, or came from a longer one.

        Shape: lengths (B,) -> S.
        """
        return int(self.lengths[self.bucket(lengths.min())])

    def row_lengths(self, shortest: np.ndarray, longest: np.ndarray) -> np.ndarray:
        """Shape: (M,), (M,) -> (M,)"""
        return self.lengths[self.bucket(shortest)]


class Buckets:
    """Each utterance is in the bucket of the longest row that it fills, or, where padding is on, of the nearest row.

    A bucket's members are drawn anew in every epoch, so batches mix all utterances between two row lengths, and the
    longest bucket everything above it.  What doesn't fill a batch moves on to the next shorter bucket (never to rows of
    less than half its length, so that a small corpus isn't cut to shreds), which leaves a few batches of an epoch short.

    Rows: `max_samples` // B for whole numbers B at most a factor `STEP` apart; lengths in between only where two such
    numbers are further apart (batches of few rows).
    """

    def __init__(self, lengths: np.ndarray, max_samples: int, max_utterances: int, padding: bool) -> None:
        self.lengths, self.max_samples, self.max_utterances = lengths, max_samples, max_utterances
        rows = self._row_lengths() if len(lengths) else np.array([max_samples])
        # the shortest utterance of each bucket; the last one takes what is left, too
        rule = Rows(rows, (rows + np.append(rows[1:], 0)) // 2 if padding else rows)
        self.rows, self._bucket = rows, rule.bucket
        self.row_length, self.row_lengths = rule.row_length, rule.row_lengths

    def batches(self, rng: np.random.Generator) -> Batches:
        """Every utterance in exactly one batch."""
        shuffled = rng.permutation(np.arange(len(self.lengths), dtype=np.int32))
        bucket = np.empty(len(shuffled), dtype=np.int16)
        for start in range(0, len(shuffled), CHUNK):
            bucket[start : start + CHUNK] = self._bucket(self.lengths[shuffled[start : start + CHUNK]])
        parts: list[np.ndarray] = []
        sizes: list[np.ndarray] = []
        rest = shuffled[:0]
        for number, row in enumerate(self.rows):
            if len(rest) and self.lengths[rest].max() > LARGEST_CROP * row:
                parts.append(rest)
                sizes.append(np.array([len(rest)]))
                rest = rest[:0]
            members = np.concatenate([rest, shuffled[bucket == number]])
            size = self._fitting(int(row))
            full = len(members) // size
            parts.append(members[: full * size])
            sizes.append(np.full(full, size))
            rest = members[full * size :]
        if len(rest):
            parts.append(rest)
            sizes.append(np.array([len(rest)]))
        return Batches.of_sizes(np.concatenate(parts), np.concatenate(sizes))

    def _fitting(self, row: int) -> int:
        return min(self.max_samples // row, self.max_utterances)

    def _row_lengths(self) -> np.ndarray:
        """Shape: -> (buckets,) int64, falling; the last isn't longer than the shortest utterance."""
        shortest, longest = int(self.lengths.min()), int(self.lengths.max())
        rows, last = [self._full_row_below(longest)], self._full_row_below(shortest)
        while rows[-1] > shortest:
            least = int(rows[-1] / STEP)
            full = self.max_samples // self._fitting(least)
            rows.append(last if last >= least else full if full < rows[-1] else least)
        return np.array(rows)

    def _full_row_below(self, length: int) -> int:
        """The longest row up to `length` that fills a batch, unless it's so much shorter that `length` itself is better."""
        row = self.max_samples // min(math.ceil(self.max_samples / length), self.max_utterances)
        return row if length / STEP <= row <= length else length
