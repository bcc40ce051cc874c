"""Seconds and memory of a task's training batches, the upstream frozen or trained (Gao et al. 2022, table 3, figure 3)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import torch

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from s3prl_upstreams.sweep import heads
from s3prl_upstreams.sweep.heads import DownstreamHead
from s3prl_upstreams.sweep.settings import SweepSettings, for_trial, s3prl_settings
from s3prl_upstreams.sweep.shared import SharedPass
from s3prl_upstreams.sweep.trials import Trial

WARM_UP = 1
"""Batches that aren't timed."""
SECONDS = 0.02
"""From one look at the memory to the next."""


@dataclass(frozen=True)
class BatchResources:
    """Of a batch: what it holds, and the seconds of its step; `step_seconds` is None where memory ran out."""

    utterances: int
    audio_seconds: float
    step_seconds: float | None


class MemoryTrace:
    """Bytes in use over time, beyond those at the beginning; none where the system doesn't tell."""

    def __init__(self, used: Callable[[], int | None]) -> None:
        self.used, self.points = used, list[list[float]]()
        self._stop, self._thread = Event(), Thread(target=self._look, daemon=True)

    def __enter__(self) -> MemoryTrace:
        self._began, self._before = time.monotonic(), self.used()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(SECONDS):
            now = self.used()
            if now is not None and self._before is not None:
                self.points.append([round(time.monotonic() - self._began, 3), now - self._before])


def watch(
    settings: SweepSettings, batches: int, used: Callable[[], int | None]
) -> tuple[list[BatchResources], list[list[float]]]:
    """Train a task for so many batches, after one to warm up; what each took, and the memory over time.

    `used` tells the bytes that this process has of its device.  Time and memory begin before the upstream is built.

    Raises:
        ConfigError or BudgetError: a task that can't be run.
    """
    with tempfile.TemporaryDirectory() as nowhere, MemoryTrace(used) as trace:
        trial, shared = _ready(settings, Path(nowhere))
        found = []
        for number, batch in zip(range(WARM_UP + batches), _endless(shared.first, trial.head), strict=False):
            step = _step(trial, shared, batch)
            found += [step] if number >= WARM_UP or step.step_seconds is None else []
            if step.step_seconds is None:
                break
    return found, trace.points


def _ready(settings: SweepSettings, folder: Path) -> tuple[Trial, SharedPass]:
    args, config = s3prl_settings(settings, folder, settings.variants[0])
    upstream, first = heads.build(args, config)
    rate = settings.rates[0]
    own = for_trial(args, config, folder / "trial", rate)
    trial = Trial(rate, first.twin(folder / "trial"), *own, settings.upstream_rate)
    trial.head.train()
    return trial, SharedPass(upstream, first, settings.device, settings.seed, lambda *_: None)


def _endless(*both: DownstreamHead) -> Iterator[Any]:
    for epoch in count():
        yield from heads.loader(both, "train", epoch)


def _step(trial: Trial, shared: SharedPass, batch: Any) -> BatchResources:
    waves, *others = batch
    holds = len(waves), sum(map(len, waves)) / SAMPLE_RATE
    began = time.monotonic()
    try:
        wavs, features = shared.features(waves)
        trial.learn("train", wavs, features, others)
        trial.update()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    except torch.OutOfMemoryError:
        return BatchResources(*holds, None)
    return BatchResources(*holds, time.monotonic() - began)
