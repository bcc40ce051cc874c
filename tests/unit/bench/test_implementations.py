"""Every implementation computes the step of its workload: the same shape, the same batch, a finite loss, and it learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.bench import implementations
from fairseq_budget.bench.implementation import Implementation
from fairseq_budget.bench.implementations import OURS, PEERS, implementation_class, peers_of
from fairseq_budget.bench.workload import Workload
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.objectives import OBJECTIVES

Build = Callable[..., Workload]
CASES = [(name, objective) for objective in OBJECTIVES for name in (OURS, *peers_of(objective))]
HALF = [(OURS, "hubert"), ("fairseq", "hubert"), ("fairseq", "wav2vec2"), ("transformers", "hubert")]


def parameters(implementation: Implementation) -> int:
    return sum(parameter.numel() for parameter in implementation.model.parameters())


def learns(implementation: Implementation) -> None:
    before = [parameter.detach().clone() for parameter in implementation.model.parameters()]
    phases = implementation.step(0)
    assert phases.step > 0
    assert torch.isfinite(implementation.loss)
    assert (
        0
        < implementation.frames
        < implementation.workload.utterances * implementation.workload.shape.frames(implementation.workload.samples)
    )
    changed = [not torch.equal(old, new) for old, new in zip(before, implementation.model.parameters(), strict=True)]
    assert sum(changed) > len(changed) / 2


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_step(workload: Build, name: str, objective: str) -> None:
    there = workload(objective).validate()
    implementation = implementation_class(name)(there)
    # transformers' plain head has a bias for each cluster
    extra = there.shape.head.labels if name == "transformers" and objective == "hubert" else 0
    assert parameters(implementation) == count_parameters(there.shape) + extra
    learns(implementation)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_from_mel_frames_is_ours_alone(workload: Build, objective: str) -> None:
    there = workload(objective, frontend="mel").validate()
    assert there.shape.frontend.name == "mel"
    learns(implementation_class(OURS)(there))
    assert peers_of(objective, "mel") == []


@pytest.mark.parametrize(("name", "objective"), HALF)
def test_a_step_in_half_precision(workload: Build, name: str, objective: str) -> None:
    """One that casts has an fp32 copy of its parameters: a gradient of this size changes few of those in bf16."""
    implementation = implementation_class(name)(
        workload(objective, "bf16", overrides=(*workload("tera").overrides, "optimization.lr=[0.01]"))
    )
    assert implementation.casts == (name == "fairseq")
    learns(implementation)


def test_flops_are_the_closed_forms(workload: Build) -> None:
    there = workload("wav2vec2", utterances=3)
    ours = implementation_class(OURS)(there)
    assert ours.model.model_shape == there.shape
    assert there.flops == training_flops(ours.model.model_shape, [8000] * 3)
    assert there.audio_seconds == 1.5


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_all_see_the_same_batch(workload: Build, monkeypatch: pytest.MonkeyPatch, objective: str) -> None:
    there = workload(objective)
    seen: dict[str, list[torch.Tensor]] = {}
    for name in (OURS, *peers_of(objective)):
        kind = implementation_class(name)
        prepare = kind.prepare

        def spy(self: Implementation, batch: Any, prepare: Any = prepare) -> Any:
            seen.setdefault(self.name, []).append(batch.source)
            return prepare(self, batch)

        monkeypatch.setattr(kind, "prepare", spy)
        implementation = kind(there)
        implementation.step(0)
        implementation.step(1)
    first, second = seen[OURS]
    assert not torch.equal(first, second)
    for sources in seen.values():
        assert torch.equal(sources[0], first)
        assert torch.equal(sources[1], second)


def test_peers_get_what_their_data_sets_give(workload: Build) -> None:
    there = workload("hubert")
    batch = there.batch(0)
    stock = implementation_class("fairseq")(there).prepare(batch)
    assert torch.equal(stock["net_input"]["source"], batch.source)
    assert torch.equal(stock["target_list"][0], batch.labels)
    assert not stock["net_input"]["padding_mask"].any()
    peer = implementation_class("transformers")(there).prepare(batch)
    assert peer.batch is batch
    assert peer.mask.shape == batch.labels.shape


def test_stock_settings_are_the_published_ones(workload: Build) -> None:
    hubert = implementation_class("fairseq")(workload("hubert")).model
    assert not hubert.skip_nomask
    assert hubert.untie_final_proj
    assert hubert.num_classes == [504]
    wav2vec2 = implementation_class("fairseq")(workload("wav2vec2"))
    assert wav2vec2.criterion.infonce
    assert wav2vec2.criterion.loss_weights == [0.1, 10.0]
    assert wav2vec2.model.mask_prob == 0.65
    assert wav2vec2.recipe.optimization.clip_norm == 0.0


def test_all_have_the_recipes_adam(workload: Build) -> None:
    for name in (OURS, *peers_of("hubert")):
        optimizer = implementation_class(name)(workload("hubert")).optimizer
        assert optimizer.optimizer_config == {"lr": 1e-6, "betas": (0.9, 0.98), "eps": 1e-6, "weight_decay": 0.01}


def test_unknown_and_missing_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="unknown implementation `jax`: choose one of fairseq-budget, fairseq"):
        implementation_class("jax")
    monkeypatch.setattr(implementations, "find_spec", lambda name: None)
    with pytest.raises(BudgetError, match="the package torchaudio is not installed: install it, or leave it out"):
        implementation_class("torchaudio")
    assert peers_of("hubert") == []
    assert "fairseq" in PEERS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"utterances": 0}, "at least 400 samples, but is 0 of 8000: raise `--batch` or `--seconds`"),
        ({"samples": 10}, "but is 2 of 10"),
        ({"precision": "fp8"}, "unknown precision `fp8`"),
    ],
)
def test_cases_that_cannot_be(workload: Build, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        workload("tera", **values).validate()
