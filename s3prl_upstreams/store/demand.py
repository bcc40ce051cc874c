"""How much a task asks of its upstream, counted from its data and its recipe before anything is computed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, SequentialSampler

from s3prl_upstreams.sweep import randomness

LOOKED_AT = 64
"""Utterances of a split that stand for all."""
_LEAST_ITEMS = 4
"""That are looked at where an item holds many utterances."""


@dataclass(frozen=True)
class Split:
    """A part of a task's data: different utterances, the samples of some of them, how many utterances a pass hears, passes.

    A pass of PR or SF hears an utterance several times: each of their items is an utterance with its next neighbours.
    `cropped` is the share of utterances that are others each time, such as a second of a longer recording at a random place.
    """

    name: str
    utterances: int
    samples: tuple[int, ...]
    heard: int
    passes: float
    cropped: float = 0.0

    @property
    def visits(self) -> float:
        """Utterances that are heard, each as often as it is heard."""
        return self.heard * self.passes

    def times(self, runs: int) -> Split:
        """The same heard by several runs."""
        return replace(self, passes=self.passes * runs)

    def mean(self, quantity: Any) -> float:
        """The mean over utterances of what `quantity` makes of their samples."""
        return sum(quantity(samples) for samples in self.samples) / len(self.samples)


@dataclass(frozen=True)
class Demand:
    """The splits that a task hears."""

    splits: tuple[Split, ...]

    @property
    def utterances(self) -> int:
        """Different ones."""
        return sum(split.utterances for split in self.splits)

    @property
    def passes(self) -> float:
        """How often an utterance is heard, on average."""
        return sum(split.visits for split in self.splits) / self.utterances

    def each(self, quantity: Any) -> float:
        """The sum over different utterances of what `quantity` makes of their samples."""
        return sum(split.utterances * split.mean(quantity) for split in self.splits)

    def visited(self, quantity: Any) -> float:
        """The same over all visits."""
        return sum(split.visits * split.mean(quantity) for split in self.splits)

    def cropped(self, quantity: Any) -> float:
        """The same over all visits to what is another utterance each time."""
        return sum(split.cropped * split.visits * split.mean(quantity) for split in self.splits)


def of_training(expert: Any, config: Mapping[str, Any]) -> Demand:
    """What a training of an expert of s3prl's hears by its recipe; the expert and random streams are left as they are."""
    runner = config["runner"]
    train = runner.get("train_dataloader", "train")
    with _undisturbed(expert) as own:
        batches = own.get_dataloader(train)
        batches_heard = runner["total_steps"] * runner["gradient_accumulate_steps"]
        splits = [look(train, batches, batches_heard / max(1, len(batches)), is_learnt=True)]
        evaluations = runner["total_steps"] // runner["eval_step"] * float(runner.get("evaluate_ratio", 1))
        splits += [look(name, own.get_dataloader(name), evaluations) for name in runner["eval_dataloaders"]]
    return Demand(tuple(splits))


def of_evaluations(expert: Any, passes: Mapping[str, float]) -> Demand:
    """What so many evaluations of each split hear; the expert and random streams are left as they are."""
    with _undisturbed(expert) as own:
        return Demand(tuple(look(name, own.get_dataloader(name), times) for name, times in passes.items()))


@contextmanager
def _undisturbed(expert: Any) -> Iterator[Any]:
    """A copy to ask for data: experts keep what they have loaded, and take settings out of their own dictionaries."""
    own = copy.copy(expert)
    vars(own).update({name: copy.deepcopy(value) for name, value in vars(expert).items() if type(value) is dict})
    streams = randomness.take()
    try:
        yield own
    finally:
        randomness.put(streams)


def look(name: str, batches: DataLoader[Any], passes: float, is_learnt: bool = False) -> Split:
    """A split by some of its items; an item may hold several utterances.

    What an evaluation crops it crops at the same places every time; of what is learnt, the items are read twice to see.
    """
    dataset: Any = batches.dataset
    items, numbers = len(dataset), _some(batches)
    looked_at = [item[0] for item in items_of(batches, numbers)]
    samples = tuple(len(wave) for waves in looked_at for wave in waves)
    in_item = len(samples) / max(1, len(looked_at))
    utterances = items * in_item
    if in_item > 1 and items > 1:
        utterances = min(utterances, in_item + (items - 1) * _new_in_next(batches, (items - 1) // 2))
    cropped = 0
    if is_learnt:
        again = (item[0] for item in items_of(batches, numbers))
        cropped = sum(_others(*pair) for pair in zip(looked_at, again, strict=True))
    heard = len(batches) * batches.batch_size if batches.drop_last and batches.batch_size else items
    return Split(name, round(utterances), samples, round(heard * in_item), passes, cropped / max(1, len(samples)))


def _others(waves: Sequence[Any], again: Sequence[Any]) -> int:
    """How many of the waves of an item, read twice, weren't the same."""
    return len(_contents(again) - _contents(waves))


def _contents(waves: Sequence[Any]) -> set[bytes]:
    return {np.asarray(wave).tobytes() for wave in waves}


def _new_in_next(batches: DataLoader[Any], number: int) -> int:
    """How many utterances of an item aren't in the one before it: all of them, or one if items are neighbourhoods."""
    before, after = (item[0] for item in items_of(batches, (number, number + 1)))
    return _others(before, after)


def _some(batches: DataLoader[Any]) -> list[int]:
    """Numbers of items: as a training draws them, or spread over a split that is heard in its order."""
    dataset: Any = batches.dataset
    ((waves, *_),) = items_of(batches, (len(dataset) // 2,))
    count = min(len(dataset), max(_LEAST_ITEMS, LOOKED_AT // len(waves)))
    if isinstance(batches.sampler, SequentialSampler):
        return [number * len(dataset) // count for number in range(count)]
    return list(islice(batches.sampler, count))


def items_of(batches: DataLoader[Any], numbers: Iterable[int]) -> Iterator[tuple[Any, ...]]:
    """Items as batches of their own: the waves, and what an expert is given besides."""
    for number in numbers:
        yield _batch(batches, (number,))


def some_batches(batches: DataLoader[Any], count: int) -> Iterator[tuple[Any, ...]]:
    """The first batches that a training draws, read in this process."""
    numbers = iter(batches.sampler)
    for _ in range(min(count, len(batches))):
        yield _batch(batches, tuple(islice(numbers, batches.batch_size)))


def _batch(batches: DataLoader[Any], numbers: Iterable[int]) -> tuple[Any, ...]:
    waves, *others = batches.collate_fn([batches.dataset[int(number)] for number in numbers])
    return list(waves), *others
