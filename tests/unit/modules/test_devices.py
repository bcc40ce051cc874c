"""No step waits for its device: nothing that is computed there decides what the host does next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.objectives import OBJECTIVES, build_model
from tests.common import tiny_config, waves

LENGTHS = np.array([24_000, 20_000])


def step(objective: str, device: str, **inputs: Any) -> SpeechEncoder:
    """Forward and backward pass in training."""
    torch.manual_seed(0)
    model = build_model(objective, tiny_config(objective)).to(device).train()
    if objective == "hubert":
        inputs["target"] = torch.randint(24, (2, 74), device=device)
    model(waves(2, 24_000).to(device), **inputs).total.backward()
    return model


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_needs_no_values(objective: str, lengths: np.ndarray | None) -> None:
    """Tensors on torch's `meta` device have shapes only: reading a value of one is an error."""
    model = step(objective, "meta", lengths=lengths)
    assert all(p.grad.shape == p.shape for n, p in model.named_parameters() if "layers.1" in n)


def test_reading_a_value_would_be_noticed() -> None:
    with pytest.raises(NotImplementedError, match="meta"):
        step("tera", "meta", lengths=torch.from_numpy(LENGTHS).to("meta"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_does_not_synchronise(objective: str, lengths: np.ndarray | None) -> None:
    step(objective, "cuda", lengths=lengths)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(objective, "cuda", lengths=lengths)
    finally:
        torch.cuda.set_sync_debug_mode("default")
