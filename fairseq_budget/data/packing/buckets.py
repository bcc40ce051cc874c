"""Full batches of a few shapes: rows have the length at which a whole number of them fills the batch.

Letters: N utterances, B rows of a batch, S samples of a row.
"""

from __future__ import annotations

import math

import numpy as np

STEP = 1.2
"""How many times longer a row may be than that of the next bucket: to be in its own one costs nobody more than a sixth."""
LARGEST_CROP = 2
"""How many times longer than its row an utterance may be that is put in a shorter bucket than its own."""


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
        self.rows = self._row_lengths() if len(lengths) else np.array([max_samples])
        # the shortest utterance of each bucket; the last one takes what is left, too
        self.least = (self.rows + np.append(self.rows[1:], 0)) // 2 if padding else self.rows

    def row_length(self, lengths: np.ndarray) -> int:
        """The bucket of the shortest member: the others are in the same one, or came from a longer one.

        Shape: lengths (B,) -> S.
        """
        return int(self.rows[self._bucket(lengths.min())])

    def batches(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Every utterance in exactly one batch.  Shape: -> list of (B,) int64."""
        shuffled = rng.permutation(len(self.lengths))
        bucket = self._bucket(self.lengths[shuffled])
        found: list[np.ndarray] = []
        rest = shuffled[:0]
        for number, row in enumerate(self.rows):
            if len(rest) and self.lengths[rest].max() > LARGEST_CROP * row:
                found.append(rest)
                rest = rest[:0]
            members = np.concatenate([rest, shuffled[bucket == number]])
            size = self._fitting(int(row))
            full = len(members) // size * size
            found += list(members[:full].reshape(-1, size))
            rest = members[full:]
        return [*found, rest] if len(rest) else found

    def _bucket(self, lengths: np.ndarray) -> np.ndarray:
        """Shape: (N,) lengths -> (N,) index into `rows`, which fall."""
        return np.minimum(np.searchsorted(-self.least, -lengths), len(self.rows) - 1)

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
