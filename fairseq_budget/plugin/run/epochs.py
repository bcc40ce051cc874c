"""fairseq's iterator over epochs, whose batches stay two arrays; fairseq's own makes Python objects of each."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from fairseq.data.data_utils import numpy_seed
from fairseq.data.iterators import EpochBatchIterator

from fairseq_budget.data.packing.batches import Batches


class Epochs(EpochBatchIterator):
    """The same batches in the same order, for the same seed, epoch and ranks."""

    _frozen_batches: Any

    @classmethod
    def like(cls, other: EpochBatchIterator) -> Epochs:
        """One with the settings of another that has made no batches yet."""
        names = list(inspect.signature(EpochBatchIterator.__init__).parameters)[1:]
        return cls(**{name: getattr(other, name) for name in names})

    @property
    def frozen_batches(self) -> Any:
        """The batches of this epoch: what the dataset gives, and no tuple of it."""
        if self._frozen_batches is None:
            self._frozen_batches = self.batch_sampler(self.dataset, self.epoch)
        return self._frozen_batches

    def ordered_batches(self, epoch: int, fix_batches_to_gpus: bool, shuffle: bool) -> Any:
        """What this rank hears in an epoch, in order."""
        batches = self.frozen_batches
        if self.grouped_shuffling or not isinstance(batches, Batches):
            return super().ordered_batches(epoch, fix_batches_to_gpus, shuffle)
        order = np.arange(len(batches))
        if shuffle:
            with numpy_seed(self.seed + epoch):
                np.random.shuffle(order)
        return batches.share(order, self.shard_id, self.num_shards)
