"""Checkpoints of untrained models, and speech-like waves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fairseq_budget.objectives import build_model, model_config
from tests.common import tiny_config

LARGE = {"layer_norm_first": True, "extractor_mode": "layer_norm"}
"""What HuBERT Large has different, besides its size."""


def save(folder: Path, objective: str, normalize: bool = False, size: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A checkpoint of a tiny model, or of the settings `size`, whose norms and biases aren't the initial ones and zeros."""
    torch.manual_seed(0)
    few_classes = {"num_classes": 13} if objective == "hubert" else {}
    config = model_config(objective, size) if size else tiny_config(objective, **{**few_classes, "conv_pos": 24, **changes})
    model = build_model(objective, config)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    cfg = {"model": {**asdict(config), "_name": f"budget_{objective}"}, "task": {"normalize": normalize}}
    path = folder / f"{objective}.pt"
    torch.save({"model": model.state_dict(), "cfg": cfg}, path)
    return path
