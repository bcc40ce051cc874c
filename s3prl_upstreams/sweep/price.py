"""What a task will cost, counted from its corpus, its recipe and its upstream before anything is trained.

A shared pass counts once; heads count once for each learning rate.  What heads compute is measured on two batches, whose
padding they compute, too, and grows with the samples of all.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fairseq_budget.arithmetic.flops import BACKWARD_AND_FORWARD
from s3prl_upstreams.store import demand
from s3prl_upstreams.store.decision import BYTES_PER_SECOND, FLOPS_PER_SECOND, Decision, decide
from s3prl_upstreams.store.demand import Demand
from s3prl_upstreams.store.use import NOT_STORABLE, is_storable, price_of
from s3prl_upstreams.sweep import heads
from s3prl_upstreams.sweep.heads import DownstreamHead
from s3prl_upstreams.sweep.run import reads_means
from s3prl_upstreams.sweep.settings import Config, SweepSettings, s3prl_settings
from s3prl_upstreams.sweep.spent import TrialSpent, count_head, upstream_flops

MEASURED_ON = 2
"""Batches that heads are run on."""


@dataclass(frozen=True)
class TaskPrice:
    """Of one task: different utterances, passes over them, FLOPs (None: not known), bytes, seconds of the device.

    `with_store` is None for an upstream that can't have one; `decision` is what ``--cache auto`` would do, and why.
    """

    task: str
    utterances: int
    passes: float
    upstream_flops: float | None
    upstream_flops_with_store: float | None
    head_flops: float | None
    store_bytes: float | None
    device_seconds: float | None
    device_seconds_with_store: float | None
    store: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def price(settings: SweepSettings, flops_per_second: float | None = None) -> TaskPrice:
    """Count a task; without a speed, that of its kind of device is :data:`FLOPS_PER_SECOND`.

    Raises:
        ConfigError or BudgetError: a task that can't be run.
    """
    kind = settings.device.partition(":")[0]
    speed = flops_per_second or FLOPS_PER_SECOND[kind]
    with tempfile.TemporaryDirectory() as nowhere, _silence():
        args, config = s3prl_settings(settings, Path(nowhere), settings.variants[0])
        upstream, head = heads.build(args, config)
        head.one_frame = reads_means(settings, head, config)
        heard = _demand(settings, head, config)
        of_heads = _head_flops(head, heard, settings) if settings.superb.trains else None
    known = upstream_flops(upstream, ()) is not None
    computed = _upstream_flops(upstream, heard, settings) if known else None
    stored, decision = None, Decision("off", f"hidden states aren't stored: {NOT_STORABLE}")
    if settings.unfrozen:
        decision = Decision("off", "hidden states aren't stored: the upstream learns")
    elif is_storable(upstream):
        stored = price_of(upstream, heard, head.one_frame)
        decision = decide(settings.store, heard, stored, kind)
    others = of_heads or 0.0
    once = stored.flops_with if stored else None
    return TaskPrice(
        settings.task,
        heard.utterances,
        heard.passes,
        computed,
        once,
        of_heads,
        stored.store_bytes if stored else None,
        None if computed is None else (computed + others) / speed,
        None if stored is None or once is None else (once + others) / speed + _reading(stored.store_bytes, heard),
        decision.mode,
        decision.reason,
    )


def _upstream_flops(upstream: nn.Module, heard: Demand, settings: SweepSettings) -> float:
    """FLOPs of all passes: shared ones, or, of an upstream that learns, each trial's own; only the chosen one is tested."""

    def of(trained: bool) -> Callable[[int], float]:
        return lambda samples: upstream_flops(upstream, (samples,), trained) or 0

    if not settings.unfrozen:
        return heard.visited(of(False))
    train, *evaluated = heard.splits
    total = len(settings.rates) * train.visits * train.mean(of(True))
    for split in evaluated:
        total += _trials(settings, split is evaluated[-1]) * split.visits * split.mean(of(False))
    return total


def _trials(settings: SweepSettings, test: bool) -> int:
    """How many of a task's trials are evaluated on a split."""
    return 1 if test and settings.superb.selection is not None else len(settings.rates)


def _reading(store_bytes: float, heard: Demand) -> float:
    return store_bytes * heard.passes / BYTES_PER_SECOND


def _demand(settings: SweepSettings, head: DownstreamHead, config: Config) -> Demand:
    """All that a task hears; variants hear the same recordings, each in other parts."""
    task = settings.superb
    if not task.trains:
        layers = getattr(head.featurizer, "layer_num", 1)
        return demand.of_evaluations(head.expert, {str(task.dev_split): layers, task.test_split: 1})
    splits = [*demand.of_training(head.expert, config).splits]
    splits += demand.of_evaluations(head.expert, {task.test_split: 1}).splits
    return Demand(tuple(split.times(len(settings.variants)) for split in splits))


def _head_flops(head: DownstreamHead, heard: Demand, settings: SweepSettings) -> float:
    """FLOPs of all heads: three passes where they learn, one where they're evaluated; only the chosen one is tested.

    They grow with an utterance's length, unless all that is read of it is one frame.
    """
    train, *evaluated = heard.splits
    spent, size, sizes = TrialSpent(), (lambda _: 1.0) if head.one_frame else float, 0.0
    count_head(head.expert, spent)
    head.train()
    for waves, *others in demand.some_batches(head.expert.get_dataloader(train.name), MEASURED_ON):
        frames = [1 if head.one_frame else round(len(wave) / head.featurizer.downsample_rate) for wave in waves]
        features = [torch.zeros(count, head.featurizer.output_dim, device=settings.device) for count in frames]
        with torch.no_grad():
            head.expert(train.name, features, *others, records=defaultdict(list))
        sizes += sum(size(len(wave)) for wave in waves)
    each = spent.head_flops / BACKWARD_AND_FORWARD / sizes
    total = BACKWARD_AND_FORWARD * len(settings.rates) * train.visits * train.mean(size)
    for split in evaluated:
        total += _trials(settings, split is evaluated[-1]) * split.visits * split.mean(size)
    return each * total


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """s3prl prints what it does."""
    nobody = io.StringIO()
    with contextlib.redirect_stdout(nobody), contextlib.redirect_stderr(nobody):
        yield
