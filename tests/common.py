"""What several tests need: seeded audio, a small model, one way to compare tensors."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.objectives import build_model, get_objective, model_config


def waves(batch: int, samples: int, seed: int = 0) -> Tensor:
    """Seeded noise with a slow envelope.  Shape: -> (B, S)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(batch, samples, generator=generator)
    time = torch.arange(samples) / 16_000
    return 0.1 * noise * (1.2 + torch.sin(6 * time + torch.arange(batch)[:, None]))


NARROW = "[(32,10,5)] + [(32,3,2)] * 4 + [(32,2,2)] * 2"
"""The published convolutions with 32 channels instead of 512."""


def tiny_config(objective: str, **settings: Any) -> ModelConfig:
    """Two narrow layers on narrow convolutions, and few classes for an objective that has classes."""
    kind = get_objective(objective).config
    defaults = {
        "conv_feature_layers": NARROW,
        "encoder_layers": 2,
        "encoder_embed_dim": 64,
        "encoder_ffn_embed_dim": 96,
        "encoder_attention_heads": 4,
        "final_dim": 32,
    }
    if "num_classes" in kind.__dataclass_fields__:
        defaults["num_classes"] = 24
    return kind(**{**defaults, **settings})


def save_untrained(path: Path, objective: str, normalize: bool = False, **settings: Any) -> Path:
    """A checkpoint of a model before its first update, as fairseq saves it."""
    torch.manual_seed(0)
    config = model_config(objective, settings)
    content = {
        "args": None,
        "cfg": {"model": {**asdict(config), "_name": f"budget_{objective}"}, "task": {"normalize": normalize}},
        "model": build_model(objective, config).state_dict(),
        "extra_state": {"train_iterator": {"epoch": 1}},
    }
    torch.save(content, path)
    return path


def assert_close(ours: Tensor, reference: Tensor, tolerance: float = 1e-5) -> None:
    """Equal within `tolerance` of the reference's largest value (single precision leaves about 1e-6)."""
    scale = max(float(reference.detach().abs().max()), 1e-12)
    difference = float((ours.detach() - reference.detach()).abs().max())
    assert difference <= tolerance * scale, f"differs by {difference / scale:.2e} of the largest value"
