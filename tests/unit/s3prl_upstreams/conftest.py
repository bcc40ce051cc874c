"""Checkpoints of randomly initialised models, in the form in which fairseq saves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairseq_budget.arithmetic.sizes import get_size
from fairseq_budget.objectives import OBJECTIVES
from tests.common import save_untrained

TINY: dict[str, Any] = {
    "conv_feature_layers": "[(24,10,5)] + [(24,3,2)] * 4 + [(24,2,2)] * 2",
    "encoder_layers": 2,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 48,
    "encoder_attention_heads": 4,
    "final_dim": 16,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "latent_vars": 8,
    "num_classes": 9,
}


NOTHING_DROPPED = {"dropout": 0.0, "attention_dropout": 0.0, "dropout_input": 0.0}


def _save(path: Path, objective: str, normalize: bool = False, **settings: Any) -> Path:
    return save_untrained(path, objective, normalize, **{**NOTHING_DROPPED, **settings})


@pytest.fixture(scope="session")
def save_tiny() -> Callable[..., Path]:
    """save_tiny(path, objective, normalize=False, **settings): a fairseq checkpoint of a small untrained model."""
    return lambda path, objective, normalize=False, **settings: _save(path, objective, normalize, **TINY, **settings)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose shape is not in the size table."""
    return _save(tmp_path_factory.mktemp("tiny") / "tiny.pt", "hubert", **TINY)


@pytest.fixture(scope="session")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of size 30."""
    path = tmp_path_factory.mktemp("thirty") / "checkpoint_last.pt"
    return _save(path, "wav2vec2", **{**OBJECTIVES["wav2vec2"].settings(get_size("30")), **NOTHING_DROPPED})
