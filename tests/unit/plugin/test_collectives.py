"""What ranks tell one another in an update: counted on one of two ranks, the other of which is imagined by torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch.distributed as dist
from fairseq import metrics
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode

from fairseq_budget.bench.samples import run_on_noise, training_sample
from fairseq_budget.objectives import OBJECTIVES
from tests.unit.bench.conftest import CONVOLUTIONS, TINY

EACH_UPDATE = {"allreduce_": 4}
"""Gradients, all in one buffer; fairseq's statistics and its comparison of gradient norms; the ledger's sums."""


class Collectives(TorchDispatchMode):
    """Counts calls of torch.distributed, by operation."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function.namespace == "c10d":
            self.calls[function._opname] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture
def two_ranks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    dist.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    monkeypatch.setattr(dist, "new_group", lambda *_, **__: dist.group.WORLD)  # the ledger's, for sums on the host
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize(
    "objective", [pytest.param(name, marks=[] if name == "hubert" else pytest.mark.slow) for name in OBJECTIVES]
)
def test_accumulated_batches_are_no_reason_to_synchronise(two_ranks: None, objective: str) -> None:
    settings = (*TINY, CONVOLUTIONS, "distributed_training.distributed_world_size=2")
    run = run_on_noise(objective, "slim", "conv", settings, "cpu_torchrun")
    batches = [training_sample(run, objective, 2, 8000, number) for number in range(4)]
    with metrics.aggregate(new_root=True):
        for count in (1, 4):
            with Collectives() as seen:
                run.trainer.train_step(batches[:count])
            assert seen.calls == EACH_UPDATE, f"{count} batches"
