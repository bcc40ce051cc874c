"""A split's labels in parts, so that several processes can share the work and none of it is lost.

A part has the labels of ``POOL_UTTERANCES`` neighbouring utterances, in a file that appears when it is complete.  Who
made which part, in which order and after how many interruptions makes no difference to a byte (with the same kind of
processor and number of threads): a part depends on its utterances and the codebook alone.

Letters in shapes: F labels of an utterance.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console

from fairseq_budget import locks
from fairseq_budget.data.arrays import read_sealed, write_sealed
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.labels.codebook import Codebook
from fairseq_budget.labels.features import POOL_UTTERANCES, Features, stream

LOCK_NAME = ".labels.lock"


class Parts:
    """The parts of one split, in a hidden folder beside the label files; `name` tells what they depend on."""

    def __init__(self, out: Path, split: str, name: str, utterances: Utterances, features: Features) -> None:
        self.folder = out / f".{split}.km.parts-{name}"
        self._split, self._utterances, self._features = split, utterances, features
        self._count = -(-len(utterances) // POOL_UTTERANCES)

    def missing(self) -> list[int]:
        """The numbers of the parts that nobody has finished."""
        there = {path.stem for path in self.folder.glob("*.npy")}
        return [number for number in range(self._count) if f"{number:06d}" not in there]

    def make(self, codebook: Codebook, shards: int, shard: int) -> None:
        """Make this process's share of the missing parts."""
        self.folder.mkdir(exist_ok=True)
        mine = [number for number in self.missing() if number % shards == shard]
        indices = np.concatenate([np.empty(0, np.int64), *(self._members(number) for number in mine)])
        # parts and pools are the same, so a part comes out as it would alone
        labels = stream(self._utterances, indices, self._features, codebook.nearest)
        told = iter(tracked(labels, f"labels {self._split}", len(indices)))
        for number in mine:
            rows = list(islice(told, len(self._members(number))))
            with atomic(self._path(number)) as partial, partial.open("wb") as file:
                write_sealed(file, np.concatenate(rows).astype("<u2"))

    def read(self) -> Iterator[np.ndarray]:
        """The labels of every utterance in order, once no part is missing.  Shape: yields (F,) uint16"""
        for number in range(self._count):
            values, end = read_sealed(self._path(number)), 0
            for index in self._members(number).tolist():
                start, end = end, end + self._features.frames(int(self._utterances.frames[index]))
                yield values[start:end]
            if (values.ndim, end) != (1, values.size):
                raise BudgetError(f"`{self._path(number)}` is damaged: delete it and start again")

    def remove(self) -> None:
        """Delete all parts of the split, also those of other codebooks and manifests."""
        for folder in self.folder.parent.glob(f".{self._split}.km.parts-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _members(self, number: int) -> np.ndarray:
        """Indices of a part's utterances."""
        start = number * POOL_UTTERANCES
        return np.arange(start, min(start + POOL_UTTERANCES, len(self._utterances)))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npy"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Only one process at a time is inside, of those that label into `out`; a lock of a killed process is void."""
    if locks.held(out / LOCK_NAME):
        told = f"{out}: {locks.owner(out / LOCK_NAME)} labels here, waiting for its end"
        Console(stderr=True).print(told, highlight=False, markup=False, soft_wrap=True)
    with locks.alone(out / LOCK_NAME, wait=locks.FOR_EVER):
        yield
