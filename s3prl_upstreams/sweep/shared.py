"""One pass of the frozen upstream for several heads: a training batch, or a whole evaluation.

Upstreams that learn are the heads' own; their passes aren't shared, and the batches are.

Follows ``Runner.train`` and ``Runner.evaluate`` of s3prl 0.4.18, s3prl/downstream/runner.py, step by step; what is left out
there and here are options that a sweep refuses.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from s3prl_upstreams.sweep import randomness
from s3prl_upstreams.sweep.heads import DownstreamHead, Features, in_turn, loader
from s3prl_upstreams.sweep.mixing import StackedLayers, adds_up
from s3prl_upstreams.sweep.spent import TrialSpent, charge, upstream_flops

Report = Callable[[str, int, int], None]
"""(split, batches done, batches in all)"""


class SharedPass:
    """An upstream, a head `first` that doesn't learn and whose expert has the data, and the clock of the passes.

    With `together` heads add up the layers of a frozen upstream as products with one copy.
    """

    def __init__(
        self, upstream: nn.Module, first: DownstreamHead, device: str, seed: int, report: Report, together: bool = False
    ) -> None:
        self.upstream, self.first, self.device, self.seed, self.report = upstream, first, device, seed, report
        self.together = together and adds_up(first.featurizer)
        self.restart_clock()

    def restart_clock(self) -> None:
        """What went before isn't charged to the next pass."""
        self._last = time.monotonic()

    def features(self, waves: Sequence[Any]) -> tuple[list[Tensor], Features | None]:
        """Shape: B waves of (T_b,) -> them as tensors on the device, and what a frozen upstream gives for them."""
        wavs = [torch.FloatTensor(wave).to(self.device) for wave in waves]
        if self.first.upstream is not None:
            return wavs, None
        with torch.no_grad():
            return wavs, self.upstream(wavs)

    def selectable(self, features: Features | None) -> Features | StackedLayers | None:
        """What heads select from."""
        if features is None or not self.together:
            return features
        return StackedLayers(self.first.featurizer._select_feature(features))

    def charge(self, wavs: list[Tensor], spent: Sequence[TrialSpent], training: bool = False) -> None:
        """Divide the passes over `wavs`, and the time since the last call, among those who took part."""
        now, own = time.monotonic(), self.first.upstream is not None
        flops = upstream_flops(self.upstream, map(len, wavs), own and training)
        charge(spent, flops and flops * (len(spent) if own else 1), now - self._last)
        self._last = now

    def evaluate(
        self, split: str, heads: Mapping[DownstreamHead, TrialSpent], step: int = 0, ratio: float = 1.0
    ) -> dict[DownstreamHead, list[str]]:
        """Evaluate `heads` on a split and charge them; returns the names of the checkpoints that each one's expert wants.

        `step` is the step of a run, 0 for a checkpoint; `ratio` is the recipe's ``evaluate_ratio``.
        """
        randomness.seed(self.seed)
        _empty_cache()
        was_training = [(head, head.featurizer.training) for head in heads]
        for head in heads:
            head.train(False)
        batches = loader([self.first, *heads], split)
        limit = round(len(batches) * ratio)
        records: dict[DownstreamHead, Any] = {head: defaultdict(list) for head in heads}
        ids: list[int] = []
        for index, (waves, *others) in enumerate(batches):
            if index > limit:
                break
            wavs, features = self.features(waves)
            with torch.no_grad():
                in_turn(heads, _evaluation(split, wavs, self.selectable(features), others, records, index))
            self.charge(wavs, list(heads.values()))
            ids.append(index)
            self.report(split, index + 1, min(limit + 1, len(batches)))
        wanted: dict[DownstreamHead, list[str]] = {head: [] for head in heads}

        def log(head: DownstreamHead) -> None:
            batch_numbers = {"batch_ids": ids, "total_batch_num": len(batches)}
            wanted[head] = head.log(split, records[head], step, **batch_numbers)

        in_turn(heads, log)
        _empty_cache()
        for head, training in was_training:
            head.train(training)
        return wanted


def _evaluation(
    split: str,
    wavs: list[Tensor],
    features: Features | StackedLayers | None,
    others: list[Any],
    records: dict[DownstreamHead, Any],
    index: int,
) -> Callable[[DownstreamHead], None]:
    def forward(head: DownstreamHead) -> None:
        head.expert(split, head.select(wavs, features), *others, records=records[head], batch_id=index)

    return forward


def _empty_cache() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
