"""The seed of the first weights, apart from that of the data (Vaessen and van Leeuwen: the same weights for every batch)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fairseq_budget.objectives import OBJECTIVES
from fairseq_budget.plugin.objectives import MODELS
from tests.common import tiny_config


def weights(objective: str, seed: int, init_seed: int) -> Any:
    """Of a model that fairseq builds after it has seeded the run."""
    torch.manual_seed(seed)
    config = tiny_config(objective, init_seed=init_seed)
    cfg = SimpleNamespace(
        **{name: getattr(config, name) for name in config.__dataclass_fields__}, _name=f"budget_{objective}"
    )
    return MODELS[objective].build_model(cfg).state_dict()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_first_weights_go_by_their_own_seed(objective: str) -> None:
    first, second = weights(objective, 1, 123), weights(objective, 2, 123)
    assert all(torch.equal(first[name], second[name]) for name in first)
    name = "encoder.layers.0.fc1.weight"
    assert not torch.equal(first[name], weights(objective, 1, 124)[name])
    assert torch.equal(weights(objective, 5, -1)[name], weights(objective, 5, -1)[name])
    assert not torch.equal(weights(objective, 5, -1)[name], weights(objective, 6, -1)[name])


def test_what_is_drawn_afterwards_goes_by_the_run_s_seed() -> None:
    weights("tera", 7, 123)
    drawn = torch.rand(3)
    weights("tera", 8, 123)
    assert not torch.equal(drawn, torch.rand(3))
