"""A watched step: every operation once, of the right kind, with its FLOPs and bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fairseq_budget.bench import profile as profiles
from fairseq_budget.bench.implementations import implementation_class
from fairseq_budget.bench.profile import (
    ELSEWHERE,
    OPTIMIZER,
    OperationKind,
    Watch,
    grouped_convolution_backward,
    kind_of,
    profile,
)
from fairseq_budget.bench.workload import Workload
from tests.unit.bench.conftest import TINY


def watched(work: Callable[[], Any], updating: bool = False) -> list[OperationKind]:
    """What some work of an implementation comes to."""
    with Watch(SimpleNamespace(device=torch.device("cpu"), updating=updating)) as watch:
        work()
    return list(watch.kinds().values())


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("mm", "matrix products"),
        ("addmm", "matrix products"),
        ("add_", "element by element"),
        ("_foreach_addcdiv_", "element by element"),
        ("bmm", "products of attention"),
        ("_scaled_dot_product_flash_attention_for_cpu_backward", "fused attention"),
        ("convolution_backward", "convolutions"),
        ("threshold_backward", "dropout"),
        ("_softmax_backward_data", "softmax"),
        ("_to_copy", "copies and casts"),
        ("argmax", "other operations"),
    ],
)
def test_kinds(operation: str, kind: str) -> None:
    assert kind_of(operation) == kind


def test_flops_and_bytes_of_a_product() -> None:
    left, right = torch.ones(3, 5), torch.ones(7, 5)
    (kind,) = watched(lambda: left @ right.t())
    assert (kind.name, kind.calls, kind.flops, kind.bytes) == ("matrix products", 1, 2 * 3 * 5 * 7, 4 * (15 + 35 + 21))
    assert kind.seconds > 0


def test_an_expanded_tensor_counts_once_and_a_view_not_at_all() -> None:
    row, rows = torch.ones(4), torch.ones(100, 4)
    (kind,) = watched(lambda: rows.mul_(row.expand(100, 4)))
    assert kind.bytes == 4 * (400 + 4)


def test_the_optimizer_is_one_kind() -> None:
    (kind,) = watched(lambda: torch.ones(4) * 2, updating=True)
    assert (kind.name, kind.calls) == (OPTIMIZER, 2)


@pytest.mark.parametrize("name", ["fairseq-budget", "fairseq"])
def test_it_sees_the_whole_step(workload: Callable[..., Workload], name: str) -> None:
    """Forward and backward pass: what torch's own counter finds, and no less than the closed form.

    On the published convolutions: beside narrow ones it matters how many frames happen to be masked.
    """
    there = workload("hubert", overrides=TINY)
    implementation = implementation_class(name)(there)
    backward = {torch.ops.aten.convolution_backward: grouped_convolution_backward}
    begun = time.perf_counter()
    with FlopCounterMode(display=False, custom_mapping=backward) as counter, Watch(implementation) as watch:
        implementation.step(1)
    taken, kinds = time.perf_counter() - begun, watch.kinds()
    assert sum(kind.flops for kind in kinds.values()) == counter.get_total_flops() >= 0.98 * there.flops
    assert sum(kind.seconds for kind in kinds.values()) < taken
    assert {OPTIMIZER, "GELU", "matrix products", "softmax", "norms"} < set(kinds)


def test_a_profile_accounts_for_the_step(workload: Callable[..., Workload], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "matmul_rate", lambda *_: 1e9)
    lines: list[str] = []
    found = profile("fairseq-budget", workload("tera"), 2, lines.append)
    *operations, rest = found.kinds
    assert [kind.seconds for kind in operations] == sorted((kind.seconds for kind in operations), reverse=True)
    assert rest.name == ELSEWHERE
    assert rest.seconds == max(found.step_seconds - sum(kind.seconds for kind in operations), 0)
    assert lines == ["matrix products", "step 1 of 2", "step 2 of 2"]
