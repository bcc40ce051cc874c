"""Epochs without Python objects hear what fairseq's own iterator hears: the same batches, order and shares of ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fairseq.data import FairseqDataset
from fairseq.data.iterators import EpochBatchIterator

from fairseq_budget.data.packing.batches import Batches
from fairseq_budget.plugin.run.epochs import Epochs


class Numbers(FairseqDataset):
    """An utterance is its number."""

    def __getitem__(self, index: int) -> int:
        return int(index)


def batches(dataset: Any, epoch: int) -> Batches:
    sizes = np.random.default_rng(epoch).integers(1, 5, 23)
    return Batches.of_sizes(np.random.default_rng(epoch).permutation(sizes.sum()).astype(np.int32), sizes)


def stock(**settings: Any) -> EpochBatchIterator:
    return EpochBatchIterator(Numbers(), list, lambda dataset, epoch: list(batches(dataset, epoch)), **settings)


def ours(**settings: Any) -> Epochs:
    return Epochs.like(EpochBatchIterator(Numbers(), list, batches, **settings))


# without loader processes, which an iterator that stays in memory ends five seconds each: see test_waiting.py
@pytest.mark.parametrize("settings", [{}, {"num_shards": 3, "shard_id": 1}, {"num_shards": 3, "shard_id": 2}])
@pytest.mark.parametrize("more", [{}, {"seed": 7, "epoch": 3}, {"grouped_shuffling": True}, {"disable_shuffling": True}])
def test_every_rank_hears_what_it_heard(settings: dict[str, Any], more: dict[str, Any]) -> None:
    one, other = stock(**settings, **more), ours(**settings, **more)
    for _ in range(2):
        assert len(one) == len(other)
        assert list(other.next_epoch_itr()) == list(one.next_epoch_itr())
        assert other.state_dict() == one.state_dict()


@pytest.mark.parametrize("place", [1, 4, 7])
def test_an_epoch_goes_on_where_it_was(place: int) -> None:
    state = {"version": 2, "epoch": 2, "iterations_in_epoch": place, "shuffle": True}
    heard = []
    for iterator in (stock(num_shards=3), ours(num_shards=3)):
        iterator.load_state_dict(dict(state))
        heard.append([list(iterator.next_epoch_itr()) for _ in range(2)])
    assert heard[0] == heard[1] and len(heard[0][0]) == 8 - place


def test_nothing_is_made_of_each_batch() -> None:
    iterator = ours()
    iterator.next_epoch_itr()
    assert isinstance(iterator.frozen_batches, Batches) and isinstance(iterator.epoch_batch_sampler.batches, Batches)
