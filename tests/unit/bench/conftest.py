"""A model that is small enough to be timed in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fairseq_budget.bench.workload import Workload
from tests.common import NARROW

TINY = (
    "model.encoder_layers=2",
    "model.encoder_embed_dim=64",
    "model.encoder_ffn_embed_dim=96",
    "model.encoder_attention_heads=4",
    "model.final_dim=32",
)
CONVOLUTIONS = f"model.conv_feature_layers='{NARROW}'"


@pytest.fixture
def workload() -> Callable[..., Workload]:
    """A workload of half a second of audio, by objective and whatever else is given."""

    def build(objective: str, precision: str = "fp32", **values: Any) -> Workload:
        overrides = TINY if "frontend" in values else (*TINY, CONVOLUTIONS)
        fields = {"utterances": 2, "samples": 8000, "device_name": "cpu", "overrides": overrides, **values}
        return Workload(objective, "slim", precision, **fields)

    return build
