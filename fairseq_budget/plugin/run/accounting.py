"""What an update costs, summed over accumulated steps and ranks without waiting for a device.

fairseq sums what a criterion logs on the GPU; reading such a sum would wait for the optimizer's step.  These numbers never
leave the host: a second process group, on the CPU (gloo), adds them up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.distributed as dist

from fairseq_budget.arithmetic.flops import hardware_flops, training_flops
from fairseq_budget.arithmetic.ledger import Cost
from fairseq_budget.modules.encoder import SpeechEncoder

NANOSECONDS = 10**9


@dataclass(frozen=True)
class Collected:
    """An update over all ranks: its cost, the masked frames and batches its losses are averages over, the seconds that
    they waited for data, whether a rank was asked to stop, and the sums of others' counts."""

    cost: Cost
    frames: int
    batches: int
    waited: float
    stop: bool
    others: list[int]


class Accounts:
    """Collects what was computed since the last update that counted.

    fairseq drops the logs of an update whose gradients overflowed (half precision) or that ran out of memory.  Its batches
    were computed all the same: they stay here and are charged with the next update, which also counts the dropped one.
    """

    def __init__(self) -> None:
        self.charged_at = time.monotonic()
        self._group: dist.ProcessGroup | None = None
        self._forget()

    def _forget(self) -> None:
        self.cost, self.frames, self.batches, self.begun = Cost(), 0, 0, False

    def begin_update(self) -> None:
        """fairseq begins an update: what is still here belongs to one that it dropped."""
        if self.begun:
            self.cost += Cost(skipped_updates=1)
        self.frames, self.batches, self.begun = 0, 0, True

    def add(self, cost: Cost, frames: int) -> None:
        """Enter a batch of this rank."""
        self.cost += cost
        self.frames += frames
        self.batches += 1

    def add_stand_in(self) -> None:
        """This rank has no data left and repeated a batch for nothing: fairseq drops what it logged in this update."""
        self.frames = self.batches = 0

    def collect(self, stop: bool, waited: float, others: Sequence[int] = ()) -> Collected:
        """Sum over ranks and start anew.  Every rank must call it, at the end of every update.

        Args:
            others: counts that aren't kept here, for summing in the same go.
        """
        now = time.monotonic()
        own = replace(self.cost, device_seconds=now - self.charged_at)
        counts = [int(value * NANOSECONDS) if name == "device_seconds" else value for name, value in vars(own).items()]
        counts += [self.frames, self.batches, int(waited * NANOSECONDS), int(stop)]
        total = self.sum([*counts, *others])
        total, summed_others = total[: len(counts)], total[len(counts) :]
        self.charged_at = now
        self._forget()
        summed: dict[str, Any] = dict(zip((f.name for f in fields(Cost)), total, strict=False))
        summed["device_seconds"] /= NANOSECONDS
        return Collected(Cost(**summed), total[-4], total[-3], total[-2] / NANOSECONDS, total[-1] > 0, summed_others)

    def sum(self, counts: list[int]) -> list[int]:
        """Sums over ranks.  Every rank must call it."""
        if not dist.is_initialized() or dist.get_world_size() == 1:
            return counts
        summed = torch.tensor(counts, dtype=torch.int64)
        dist.all_reduce(summed, group=self._host_group())
        return summed.tolist()

    def gather(self, own: Any) -> list[Any]:
        """What every rank has, in order of their ranks.  Every rank must call it."""
        if not dist.is_initialized() or dist.get_world_size() == 1:
            return [own]
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, own, group=self._host_group())
        return gathered

    def _host_group(self) -> dist.ProcessGroup | None:
        if self._group is None:
            self._group = dist.group.WORLD if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")
        return self._group


def cost_of(network: SpeechEncoder, samples: list[int], padded: int, new: int) -> Cost:
    """What a batch costs a rank, its time aside.

    Args:
        samples: of each utterance, after cropping.
        padded: samples of each row, with padding.
        new: samples that are heard for the first time.
    """
    shape = network.step_shape
    executed = hardware_flops(
        shape, [padded] * len(samples), network.encoder.layers_run, network.recomputed, network.config.feature_grad_mult > 0
    )
    return Cost(training_flops(shape, samples), executed, sum(samples), new)
