"""A trained model out of a checkpoint, read as data: neither fairseq nor anything the file names is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.sizes import Size, find_size
from fairseq_budget.checkpoints.digest import check_digest
from fairseq_budget.checkpoints.safe_load import plain, safe_load
from fairseq_budget.checkpoints.weights import compare, load_weights, numbers_of
from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.objectives import build_model, of_model


@dataclass
class Pretrained:
    """A model in eval mode with what has to be known to feed it."""

    model: SpeechEncoder
    objective: str
    size: Size | None
    """The row of the size table with this shape, or None."""
    normalize: bool
    """Whether each wave is layer-normalised over its whole length before it is padded."""
    config: ModelConfig
    updates: int = 0
    """That it was trained for; 0 where the file doesn't say."""

    def prepare(self, wave: Tensor) -> Tensor:
        """Layer-normalised over its whole length if the model was trained so.  Shape: (T,) -> (T,)"""
        return F.layer_norm(wave, wave.shape) if self.normalize else wave

    @property
    def shape(self) -> str:
        return f"{self.config.encoder_layers} layers x {self.config.encoder_embed_dim}"


def load_pretrained(path: str | Path) -> Pretrained:
    """Read a checkpoint of this project or of stock fairseq's HuBERT and wav2vec 2.0.

    Raises:
        BudgetError: the file is missing or no checkpoint, its model is of no objective known here, or its configuration and
            its weights don't belong together.
    """
    state = safe_load(path)
    cfg = _configuration(state, path)
    try:
        objective = of_model(str(cfg["model"].get("_name")))
        weights = numbers_of(state["model"])
        check_digest(state, path)
        # the size of HuBERT's dictionary stands in its weights; stock fairseq doesn't store it in the configuration
        if weights.get("label_embs_concat") is not None and weights["label_embs_concat"].dim():
            cfg["model"]["num_classes"] = len(weights["label_embs_concat"])
        config = objective.model_config(cfg["model"])
        compare(config, weights)
        model = build_model(objective.name, config)
        load_weights(model, weights)
    except ValueError as error:
        raise BudgetError(f"{path}: {error}") from error
    normalize = bool(cfg["task"].get("normalize", False))
    return Pretrained(model.eval(), objective.name, find_size(model_size_key(config)), normalize, config, _updates(state))


def model_size_key(config: ModelConfig) -> tuple[int, int, int, int, int]:
    """What the size table tells models apart by."""
    return (
        config.encoder_layers,
        config.encoder_embed_dim,
        config.encoder_ffn_embed_dim,
        config.encoder_attention_heads,
        config.final_dim,
    )


def _updates(state: dict[str, Any]) -> int:
    """As fairseq saves them."""
    history = plain(state.get("optimizer_history"))
    last = history[-1] if isinstance(history, list) and history else None
    updates = last.get("num_updates") if isinstance(last, dict) else None
    return updates if isinstance(updates, int) and 0 <= updates < 2**63 else 0


def _configuration(state: dict[str, Any], path: str | Path) -> dict[str, dict[str, Any]]:
    """The sections `model` and `task`; before fairseq 0.10 they were one flat namespace called `args`."""
    cfg, args = plain(state.get("cfg")), plain(state.get("args"))
    if isinstance(args, dict) and not isinstance(cfg, dict):
        cfg = {"model": {**args, "_name": args.get("arch")}, "task": args}
    if not isinstance(state.get("model"), dict) or not isinstance(cfg, dict) or not isinstance(cfg.get("model"), dict):
        raise BudgetError(f"{path} isn't a fairseq pre-training checkpoint: it has no `model` and `cfg.model`")
    task = cfg.get("task")
    return {"model": dict(cfg["model"]), "task": dict(task) if isinstance(task, dict) else {}}
