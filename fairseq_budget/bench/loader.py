"""How long training waits for data: fairseq's trainer with the real data set and loader, and a stopwatch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from fairseq import metrics
from fairseq.data import iterators

from fairseq_budget.bench.training import TimedRun, build_run
from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends import DEFAULT

WARM_UP = 2
"""Updates that aren't counted: processes start, and the first batches are waited for in any case."""


@dataclass(frozen=True)
class LoaderWaiting:
    """Of some updates with so many loader processes: seconds waited for batches, and seconds in all."""

    workers: int
    updates: int
    waited_seconds: float
    seconds: float

    @property
    def share(self) -> float:
        return self.waited_seconds / self.seconds


def measure_waiting(
    data: Path,
    objective: str,
    size: str,
    device: torch.device,
    batch_samples: int,
    updates: int,
    workers: int,
    frontend: str = DEFAULT,
) -> LoaderWaiting:
    """Train on `data` for some updates with so many loader processes.

    Raises:
        BudgetError: the data set gives fewer batches.
    """
    overrides = (
        f"frontend={frontend}",
        f"task.data={data.absolute()}",
        f"dataset.max_tokens={batch_samples}",
        f"dataset.num_workers={workers}",
        "optimization.update_freq=[1]",
    )
    run = build_run(objective, size, overrides, device.type)
    steps = list(islice(updates_of(run, device), WARM_UP + updates))[WARM_UP:]
    if len(steps) < updates:
        raise BudgetError(
            f"`{data}` gives {max(len(steps), 0)} batches beside the {WARM_UP} to warm up, but `--updates` is {updates}: "
            "lower it or `--batch-seconds`"
        )
    return LoaderWaiting(workers, updates, sum(waited for waited, _ in steps), sum(sum(step) for step in steps))


def updates_of(run: TimedRun, device: torch.device) -> Iterator[tuple[float, float]]:
    """Seconds waited and computed, for each update of the first epoch, as ``fairseq_cli.train`` makes them."""
    epochs = run.trainer.get_train_iterator(epoch=1)
    batches = iterators.GroupedIterator(epochs.next_epoch_itr(shuffle=True), 1)
    run.trainer.begin_epoch(1)
    with metrics.aggregate(new_root=True):
        while True:
            begun = time.perf_counter()
            samples = next(batches, None)
            if samples is None:
                return
            received = time.perf_counter()
            run.trainer.train_step(samples)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            yield received - begun, time.perf_counter() - received
