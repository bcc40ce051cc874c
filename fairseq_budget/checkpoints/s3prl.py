"""To s3prl: a file for its own upstreams ``hubert_local`` and ``wav2vec2_local``.

The format is what s3prl makes of a fairseq checkpoint (``load_and_convert_fairseq_ckpt`` in s3prl/upstream/hubert/convert.py
and s3prl/upstream/wav2vec2/convert.py): settings as dictionaries, the weights, and for HuBERT the symbols of its dictionary.
It holds tensors and plain values only, so torch loads it without being told to trust it.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.checkpoints.export import read_source, write
from fairseq_budget.checkpoints.pretrained import Pretrained
from fairseq_budget.data.labels import symbols
from fairseq_budget.frontends.conv.cost import as_convolutions
from fairseq_budget.objectives.hubert.defaults import HubertConfig

UPSTREAMS = {"hubert": "hubert_local", "wav2vec2": "wav2vec2_local"}
"""s3prl's ``-u`` for each objective."""


def export(checkpoint: Path, out: Path) -> str:
    """Write a checkpoint to the file `out`, all or nothing; returns the name of the s3prl upstream that reads it.

    Raises:
        BudgetError: what cannot be exported (see `read_source`).
    """
    pretrained = read_source(checkpoint, out)
    write(content(pretrained), out)
    return UPSTREAMS[pretrained.objective]


def content(pretrained: Pretrained) -> dict[str, Any]:
    """What the file holds; s3prl leaves out settings that it doesn't know."""
    config = pretrained.config
    convolutions = as_convolutions(pretrained.model.model_shape.frontend)
    settings = asdict(config) | {"conv_feature_layers": str(list(convolutions.layers))}
    state: dict[str, Any] = {
        "task_cfg": {"normalize": pretrained.normalize, "sample_rate": SAMPLE_RATE},
        "model_cfg": settings,
        "model_weight": pretrained.model.state_dict(),
    }
    if isinstance(config, HubertConfig):
        state["task_cfg"]["label_rate"] = config.label_rate
        state["dictionaries_symbols"] = [symbols(config.num_classes)]
    else:
        settings["quantize_targets"] = True  # fairseq's default is False, but no model of ours is without
    return state
