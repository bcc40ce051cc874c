"""The batches of an epoch as two arrays: a corpus of thirty million utterances has four million batches.

Letters: N utterances, M batches, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

NONE = -1
"""In the place of a batch: an empty one, for a rank that has none left."""


class Batches(Sequence[np.ndarray]):
    """A sequence of batches, each an array of indices made when it is asked for.

    Batch m has `members[edges[m]:edges[m + 1]]`.  `numbers` are those of the batches to hear, in this order; all by default.

    Shape: members (N,) int32, edges (M + 1,) int64, numbers (K,) int64.
    """

    def __init__(self, members: np.ndarray, edges: np.ndarray, numbers: np.ndarray | None = None) -> None:
        self.members, self.edges, self.numbers = members, edges, numbers

    @classmethod
    def of_sizes(cls, members: np.ndarray, sizes: np.ndarray) -> Batches:
        """Shape: members (N,), sizes (M,), which add up to N"""
        return cls(members, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))

    @property
    def sizes(self) -> np.ndarray:
        """Rows of every batch there is.  Shape: (M,)"""
        return np.diff(self.edges)

    def __len__(self) -> int:
        return len(self.edges) - 1 if self.numbers is None else len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, place: slice) -> Batches: ...

    def __getitem__(self, place: int | slice) -> np.ndarray | Batches:
        """Shape: -> (B,)"""
        numbers = np.arange(len(self)) if self.numbers is None and isinstance(place, slice) else self.numbers
        if isinstance(place, slice):
            return Batches(self.members, self.edges, numbers[place])  # type: ignore[index]
        number = range(len(self))[place] if numbers is None else int(numbers[place])
        return self.members[:0] if number == NONE else self.members[self.edges[number] : self.edges[number + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[place] for place in range(len(self)))

    def renamed(self, names: np.ndarray) -> Batches:
        """The same batches of what the indices stand for.  Shape: names (utterances,)"""
        return Batches(names[self.members], self.edges, self.numbers)

    def kept(self, wanted: np.ndarray) -> Batches:
        """Without the batches that aren't wanted.  Shape: wanted (M,) bool"""
        return Batches.of_sizes(self.members[np.repeat(wanted, self.sizes)], self.sizes[wanted])

    def share(self, order: np.ndarray, rank: int, ranks: int) -> Batches:
        """What a rank hears where batches are heard in this order, one for each rank at a time; ranks have equally many.

        Shape: order (M,) int64
        """
        own = order[rank::ranks]
        return Batches(
            self.members, self.edges, np.append(own, [NONE] * (-(-len(order) // ranks) - len(own))).astype(np.int64)
        )


def extremes(batches: Batches, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shortest and the longest member of each batch there is.  Shape: lengths (utterances,) -> (M,), (M,)"""
    if len(batches.edges) == 1:
        return lengths[:0], lengths[:0]
    members, begins = lengths[batches.members], batches.edges[:-1]
    return np.minimum.reduceat(members, begins), np.maximum.reduceat(members, begins)
