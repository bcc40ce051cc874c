"""Steps on noise: what they learn from, and that they are the recipes'."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.objectives import OBJECTIVES, shape_of
from fairseq_budget.planning.steps import Phases, TrainingSteps, batch_flops, noise_batch, size_config, timed_step
from tests.common import tiny_config

CPU = torch.device("cpu")


def test_batches_are_seeded() -> None:
    shape = shape_of("hubert", SIZES["slim"])
    first, again, other = (noise_batch(shape, 2, 8000, seed) for seed in (1, 1, 2))
    assert torch.equal(first.source, again.source)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.source, other.source)
    assert first.labels.shape == (2, shape.frames(8000))
    assert batch_flops(shape, first) == training_flops(shape, [8000, 8000])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_sizes_are_the_recipes(objective: str) -> None:
    for size in SIZES.values():
        config = size_config(objective, size)
        assert config.shape() == shape_of(objective, size)
        assert config.encoder_layerdrop == (0.05 if size.regularised else 0.0)
    own = size_config(objective, replace(SIZES["slim"], name="3x64", encoder_layers=3, encoder_embed_dim=64))
    assert (own.encoder_layers, own.encoder_embed_dim, own.dropout) == (3, 64, 0.1)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_learns(objective: str, precision: str) -> None:
    torch.manual_seed(0)
    training = TrainingSteps(objective, tiny_config(objective), CPU, precision)
    before = [parameter.detach().clone() for parameter in training.model.parameters()]
    phases = training.step(noise_batch(training.shape, 2, 8000, seed=0))
    assert phases.step == phases.forward + phases.backward + phases.optimizer
    assert min(phases.forward, phases.backward, phases.optimizer) > 0
    after = list(training.model.parameters())
    expected = torch.float16 if precision == "fp16" else torch.float32
    assert all(torch.isfinite(parameter).all() and parameter.dtype == expected for parameter in after)
    changed = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
    assert sum(changed) > len(changed) / 2


def test_phases_come_in_order() -> None:
    order = []
    weight = torch.ones(1, requires_grad=True)

    def forward() -> torch.Tensor:
        order.append("forward")
        return (2 * weight).sum()

    timed_step(CPU, forward, lambda: order.append(f"update with gradient {weight.grad.item():g}"))
    assert order == ["forward", "update with gradient 2"]


def test_the_median_is_taken_of_each_phase() -> None:
    steps = [Phases(1, 6, 0), Phases(2, 5, 1), Phases(3, 4, 50)]
    assert Phases.median(steps) == Phases(2, 5, 1)
