"""Checkpoints of randomly initialised models, in the form in which fairseq saves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from fairseq_budget.arithmetic.sizes import get_size
from fairseq_budget.objectives import build_model, model_config

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


def _save(path: Path, objective: str, normalize: bool = False, **settings: Any) -> Path:
    torch.manual_seed(0)
    nothing_dropped = {"dropout": 0.0, "attention_dropout": 0.0, "dropout_input": 0.0}
    config = model_config(objective, {**nothing_dropped, **settings})
    model = build_model(objective, config)
    content = {
        "args": None,
        "cfg": {"model": {**asdict(config), "_name": f"budget_{objective}"}, "task": {"normalize": normalize}},
        "model": model.state_dict(),
        "extra_state": {"train_iterator": {"epoch": 1}},
    }
    torch.save(content, path)
    return path


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
    size = get_size("30")
    layers, width, feed_forward, heads, final = size.shape
    return _save(
        tmp_path_factory.mktemp("thirty") / "checkpoint_last.pt",
        "wav2vec2",
        encoder_layers=layers,
        encoder_embed_dim=width,
        encoder_ffn_embed_dim=feed_forward,
        encoder_attention_heads=heads,
        final_dim=final,
    )
