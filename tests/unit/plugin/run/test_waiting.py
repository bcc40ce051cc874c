"""Batches through fairseq's own iterators: the same after a restart and on every worker, few bytes, and timed."""

from __future__ import annotations

import time
import tracemalloc
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fairseq.data.iterators import GroupedIterator

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.packing.librispeech import librispeech_like
from fairseq_budget.errors import BudgetError
from fairseq_budget.plugin.dataset import PretrainingDataset
from fairseq_budget.plugin.run.accounting import Accounts
from fairseq_budget.plugin.run.waiting import Waiting, WatchedEpochs
from tests.unit.plugin.test_task import build_task

RULES = [("sorted", False), ("buckets", False), ("buckets", True), ("bins", True)]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """60 utterances of 400 to 4000 samples."""
    folder = tmp_path_factory.mktemp("audio")
    lengths = np.random.default_rng(0).integers(400, 4000, 60)
    for index, length in enumerate(lengths):
        soundfile.write(folder / f"{index}.wav", np.full(length, index / 100), 16_000, subtype="FLOAT")
    return Manifest(folder, [f"{index}.wav" for index in range(len(lengths))], lengths)


def epochs(manifest: Manifest, batching: str = "buckets", padding: bool = False, **options: Any) -> WatchedEpochs:
    """What fairseq's trainer gets from a task that has just been made, as after a restart."""
    task = build_task(updates=1)
    dataset = PretrainingDataset(manifest, 3000, 400, False, 1, batching=batching, padding=padding)
    defaults = {"max_tokens": 12_000, "max_positions": None, "seed": 1, "num_workers": 0, "epoch": 1, "data_buffer_size": 0}
    return task.get_batch_iterator(dataset=dataset, **{**defaults, **options})


def heard(batch: dict[str, Any]) -> tuple[list[int], list[float]]:
    """Who is in a batch, and what is heard of each."""
    return batch["id"].tolist(), batch["net_input"]["source"].sum(1).tolist()


def test_a_run_goes_on_with_more_workers(manifest: Manifest) -> None:
    """Alone after 5 of an epoch's batches; with two workers each has had 2, and together they hear all of the rest."""
    alone = epochs(manifest)
    batches = alone.next_epoch_itr()
    for _ in range(5):
        next(batches)
    rest = {index for batch in batches for index in batch["id"].tolist()}
    alone = epochs(manifest)
    batches = alone.next_epoch_itr()
    for _ in range(5):
        next(batches)
    found: set[int] = set()
    for worker in range(2):
        together = epochs(manifest, num_shards=2, shard_id=worker)
        together.load_state_dict(alone.state_dict())
        assert together.iterations_in_epoch == 2
        found |= {index for batch in together.next_epoch_itr() if batch for index in batch["id"].tolist()}
    assert rest <= found
    assert len(found) < len(manifest)


@pytest.mark.parametrize("batching, padding", RULES)
@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_goes_on_in_the_middle_of_an_epoch(manifest: Manifest, batching: str, padding: bool, steps: int) -> None:
    """Stopped after 4 batches of epoch 2; `steps` of them make an update."""
    without_a_stop = epochs(manifest, batching, padding)
    list(without_a_stop.next_epoch_itr())
    second = GroupedIterator(without_a_stop.next_epoch_itr(), steps)
    for _ in range(4 // steps):
        next(second)
    state = without_a_stop.state_dict()
    assert (state["epoch"], state["iterations_in_epoch"]) == (2, 4)
    expected = [heard(batch) for group in second for batch in group]

    resumed = epochs(manifest, batching, padding, epoch=2)
    resumed.load_state_dict(state)
    rest = GroupedIterator(resumed.next_epoch_itr(), steps)
    assert [heard(batch) for group in rest for batch in group] == expected
    assert len(expected) > 2 and not rest.has_next() and resumed.end_of_epoch()


@pytest.mark.parametrize("batching, padding", RULES)
def test_workers_share_an_epoch(manifest: Manifest, batching: str, padding: bool) -> None:
    alone = [batch["id"].tolist() for batch in epochs(manifest, batching, padding).next_epoch_itr()]
    shards = [epochs(manifest, batching, padding, num_shards=2, shard_id=rank).next_epoch_itr() for rank in (0, 1)]
    first, second = ([batch["id"].tolist() for batch in shard if batch] for shard in shards)
    assert [batch for pair in zip(first, second, strict=False) for batch in pair] == alone[: 2 * len(second)]
    assert len(first) + len(second) == len(alone)


def test_epochs_have_other_batches_and_validations_the_same(manifest: Manifest) -> None:
    iterator = epochs(manifest)
    training = [[heard(batch) for batch in iterator.next_epoch_itr()] for _ in range(2)]
    assert sorted(str(ids) for ids, _ in training[0]) != sorted(str(ids) for ids, _ in training[1])
    iterator = epochs(manifest)
    validations = [
        [heard(batch) for batch in iterator.next_epoch_itr(shuffle=False, set_dataset_epoch=False)] for _ in range(2)
    ]
    assert validations[0] == validations[1]


def test_loader_processes_make_the_same_batches(manifest: Manifest) -> None:
    alone, helped = (epochs(manifest, num_workers=workers, data_buffer_size=3) for workers in (0, 2))
    for _ in range(2):
        assert [heard(b) for b in helped.next_epoch_itr()] == [heard(b) for b in alone.next_epoch_itr()]


def test_nothing_is_left_out_of_a_run_for_its_length(manifest: Manifest) -> None:
    """fairseq's trainer names `dataset.max_tokens` as the longest that it takes, and would drop what is longer."""
    with pytest.raises(BudgetError, match="`dataset.max_tokens` = 2000 samples is less than the longest crop of 3000"):
        epochs(manifest, max_tokens=2000, max_positions=2000).next_epoch_itr()


def test_memory_of_a_large_corpus(tmp_path: Path) -> None:
    """200,000 utterances take less than 40 MB at the peak, and what stays is less than 32 bytes of each."""
    lengths = librispeech_like(200_000)
    rows = (f"{i // 1000}/{i // 50}/{i // 1000}-{i // 50}-{i:06d}.flac\t{length}\n" for i, length in enumerate(lengths))
    (tmp_path / "train.tsv").write_text(f"{tmp_path}\n{''.join(rows)}")
    task = build_task(updates=1)
    tracemalloc.start()
    try:
        dataset = PretrainingDataset(Manifest.read(tmp_path / "train.tsv"), 250_000, 32_000, False, 1)
        iterator = task.get_batch_iterator(dataset=dataset, max_tokens=1_400_000, num_workers=0)
        batches = iterator.next_epoch_itr()
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(batches) > 20_000
    assert peak < 40e6
    assert now < 32 * 200_000


class Slow(PretrainingDataset):
    """Every utterance takes 20 ms."""

    def read(self, *place: Any) -> Any:
        time.sleep(0.02)
        return super().read(*place)


def test_waiting_is_measured_in_training_only(manifest: Manifest) -> None:
    task = build_task(updates=1)
    dataset = Slow(manifest, 3000, 400, False, 1)
    iterator = task.get_batch_iterator(dataset=dataset, max_tokens=12_000, data_buffer_size=0)
    for _ in islice(iterator.next_epoch_itr(shuffle=False, set_dataset_epoch=False), 2):
        pass
    assert task.run.waiting.take() == 0
    batches = sum(len(batch["id"]) for batch in islice(iterator.next_epoch_itr(), 2))
    assert task.run.waiting.take() >= 0.02 * batches
    assert task.run.waiting.take() == 0, "it is told once"


def test_waiting_is_logged_with_the_update() -> None:
    waiting = Waiting()
    waiting.add(1.5)
    waiting.add(0.25)
    assert Accounts().collect(False, waiting.take()).waited == 1.75
