"""What the ledger costs: the task's own accounting of an update, beside a training step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from fairseq import metrics
from fairseq.tasks import FairseqTask

from fairseq_budget.bench.ours import Ours
from fairseq_budget.bench.training import build_run
from fairseq_budget.bench.workload import Workload
from fairseq_budget.plugin.run.accounting import cost_of
from fairseq_budget.plugin.steps import TRAINING

UPDATES = 300
SHORTEST, LONGEST = 32_000, 250_000
"""Samples of a crop (Liu et al. 2024): each update's is another one, so that its FLOPs aren't remembered."""


@dataclass(frozen=True)
class Bookkeeping:
    """Seconds of an update's accounting and of a training step, medians."""

    seconds: float
    step_seconds: float

    @property
    def share(self) -> float:
        return self.seconds / self.step_seconds


def measure_bookkeeping(workload: Workload, steps: int, updates: int = UPDATES) -> Bookkeeping:
    """The accounting of one worker: cost of the batch, ledger, schedule, and the lines of the log that they add."""
    ours = Ours(workload)
    step_seconds = median(ours.step(number).step for number in range(1 + steps))
    # the objective doesn't matter to the accounting; this one's task needs no data to be built
    run = build_run("tera", workload.size, (), "cpu")
    _ = run.trainer.lr_scheduler  # it is built when asked for, and listens to the clock then
    run.task.network = ours.model
    utterances = workload.utterances
    logged = {"loss": ours.loss.detach(), "frames": ours.frames, "batches": 1, "ntokens": ours.frames}
    logged |= {"nsentences": utterances, TRAINING: 1}
    lengths = np.random.default_rng(workload.seed).choice(np.arange(SHORTEST, LONGEST), updates, replace=False)

    def with_ledger(update: int) -> None:
        run.task.begin_update()
        samples = int(lengths[update])
        cost = cost_of(run.task.network, [samples] * utterances, samples, new=samples * utterances)
        run.task.run.accounts.add(cost, ours.frames)
        run.task.reduce_metrics([dict(logged)], run.criterion)

    def without(update: int) -> None:
        FairseqTask.reduce_metrics(run.task, [dict(logged)], run.criterion)

    return Bookkeeping(_median_seconds(with_ledger, updates) - _median_seconds(without, updates), step_seconds)


def _median_seconds(work: Callable[[int], Any], times: int) -> float:
    seconds = []
    with metrics.aggregate(new_root=True):
        for number in range(times):
            begun = time.perf_counter()
            work(number)
            seconds.append(time.perf_counter() - begun)
    return median(seconds)
