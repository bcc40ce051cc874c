"""How long training waits for data: a stopwatch around the iterator that fairseq's trainer reads batches from.

Everything behind that iterator (reading, decoding, collating, queues of other processes and threads) overlaps with the
step; what is left to wait for is what the trainer's own `next` takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any


class Waiting:
    """Seconds that this process waited for training batches since it was last asked."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Enter one wait."""
        self._seconds += seconds

    def take(self) -> float:
        """The seconds since the last call, which are then forgotten."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds


class Watched:
    """Stands for one of fairseq's iterators, which it holds: attributes and methods are that one's own."""

    def __init__(self, held: Any, waiting: Waiting) -> None:
        self.held, self.waiting = held, waiting

    def __getattr__(self, name: str) -> Any:
        return getattr(self.held, name)

    def __len__(self) -> int:
        return len(self.held)


class WatchedEpochs(Watched):
    """An `EpochBatchIterator` whose training epochs are timed; validation, which asks for the same dataset epoch every
    time, isn't.

    It continues an epoch with another number of ranks, or other batches, at the same share of it.  fairseq alone would
    count as many batches of each rank as before: twice the ranks would skip half of what is left, or not start at all.
    """

    def next_epoch_itr(self, shuffle: bool = True, fix_batches_to_gpus: bool = False, set_dataset_epoch: bool = True) -> Any:
        """fairseq's iterator over the batches of an epoch."""
        batches = self.held.next_epoch_itr(shuffle, fix_batches_to_gpus, set_dataset_epoch)
        return WatchedBatches(batches, self.waiting) if set_dataset_epoch else batches

    def state_dict(self) -> dict[str, Any]:
        """fairseq's, and how many batches each rank has in this epoch."""
        return {**self.held.state_dict(), "batches_in_epoch": len(self.held)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue; a place between two batches becomes the one before, so that nothing is left out."""
        share = len(self.held) / state_dict.get("batches_in_epoch", len(self.held))
        place = int(state_dict["iterations_in_epoch"] * share)
        self.held.load_state_dict({**state_dict, "iterations_in_epoch": place})


class WatchedBatches(Watched):
    """The batches of an epoch (a `CountingIterator`), timed one by one."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        begun = time.monotonic()
        try:
            return next(self.held)
        finally:
            self.waiting.add(time.monotonic() - begun)
