"""What fairseq's trainer and this project's task cost beside a bare loop over the same model, in turns in one process.

At mini sizes an update takes tens of milliseconds, of which Python, meters, the ledger and the log are a part.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from fairseq import metrics

from fairseq_budget.bench.samples import run_on_noise, training_sample
from fairseq_budget.bench.training import TimedRun
from fairseq_budget.bench.workload import Workload

WARM_UP = 5


@dataclass(frozen=True)
class Overhead:
    """Median seconds of an update by fairseq's trainer, and of one by a bare loop."""

    trainer_seconds: float
    bare_seconds: float

    @property
    def ratio(self) -> float:
        return self.trainer_seconds / self.bare_seconds


def measure_overhead(workload: Workload, updates: int) -> Overhead:
    """Both make so many updates after a few to warm up, the same batches in turns.

    The bare loop has the model, the loss and fairseq's Adam and clipping; no mixed precision, no logging, no ledger.
    """
    of = (workload.objective, workload.size, workload.frontend, workload.overrides, "cpu")
    trained, bare = run_on_noise(*of), run_on_noise(*of)
    in_turns = (_by_trainer(trained), _by_bare_loop(bare))
    seconds: tuple[list[float], list[float]] = ([], [])
    with metrics.aggregate(new_root=True):
        for number in range(WARM_UP + updates):
            sample = training_sample(trained, workload.objective, workload.utterances, workload.samples, seed=number)
            for update, times in zip(in_turns, seconds, strict=True):
                begun = time.perf_counter()
                update(sample)
                times.append(time.perf_counter() - begun)
    return Overhead(*(median(times[WARM_UP:]) for times in seconds))


def _by_trainer(run: TimedRun) -> Callable[[dict[str, Any]], Any]:
    return lambda sample: run.trainer.train_step([sample])


def _by_bare_loop(run: TimedRun) -> Callable[[dict[str, Any]], None]:
    model, optimizer = run.trainer.model.train(), run.trainer.optimizer
    clip = run.recipe.optimization.clip_norm

    def update(sample: dict[str, Any]) -> None:
        loss = model(**sample["net_input"])
        (loss.total / loss.frames).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip or float("inf"))
        optimizer.step()
        optimizer.zero_grad()

    return update
