"""Where the recipes lie, and what Hydra needs to compose them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairseq_budget.arithmetic.sizes import SIZES, check_objective, get_size
from fairseq_budget.errors import BudgetError

MODEL_PREFIX = "budget_"
SIZE_GROUP = "size"


def recipes_dir() -> Path:
    """The folder for ``--config-dir``: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parent
    for folder in (package / "recipes", package.parent / "recipes"):
        if (folder / "hubert.yaml").is_file():
            return folder
    raise BudgetError("the recipes are missing from this installation; install fairseq-budget again")


@dataclass(frozen=True)
class _Regularisation:
    dropout: float
    encoder_layerdrop: float
    feature_grad_mult: float


# Liu et al. 2024: as in HuBERT and wav2vec 2.0 Base; Large without dropout or LayerDrop, convolutions at full gradient
_REGULARISED = _Regularisation(dropout=0.1, encoder_layerdrop=0.05, feature_grad_mult=0.1)
_UNREGULARISED = _Regularisation(dropout=0.0, encoder_layerdrop=0.0, feature_grad_mult=1.0)


def model_settings(objective: str, size_name: str) -> dict[str, Any]:
    """What a size means for an objective: every setting of the model that the size decides, and the learning rate.

    Keys are those of :class:`fairseq_budget.arithmetic.model_config.ModelConfig`, and `lr` and `normalize`.
    """
    size = get_size(size_name)
    regular = _REGULARISED if size.regularised else _UNREGULARISED
    # HuBERT Large follows fairseq's: norms before the blocks and after every convolution, normalised waves
    pre_norm = check_objective(objective) == "hubert" and not size.regularised
    return {
        "encoder_layers": size.encoder_layers,
        "encoder_embed_dim": size.encoder_embed_dim,
        "encoder_ffn_embed_dim": size.encoder_ffn_embed_dim,
        "encoder_attention_heads": size.encoder_attention_heads,
        "final_dim": size.final_dim,
        "layer_norm_first": pre_norm,
        "extractor_mode": "layer_norm" if pre_norm else "default",
        "dropout": regular.dropout,
        "attention_dropout": regular.dropout,
        "dropout_input": regular.dropout,
        "dropout_features": regular.dropout,
        "encoder_layerdrop": regular.encoder_layerdrop,
        "feature_grad_mult": regular.feature_grad_mult,
        "lr": size.lr[objective],
        "normalize": pre_norm,
    }


def setting(model_name: str, size_name: str, key: str) -> Any:
    """The resolver behind the recipes' ``size`` group."""
    return model_settings(model_name.removeprefix(MODEL_PREFIX), str(size_name))[key]


def steps_per_update(workers: int, published_workers: int) -> int:
    """Steps to accumulate so that fewer workers make the updates of the published number."""
    return max(1, published_workers // int(workers))


def port(job: int) -> int:
    """The port at which a cluster job's workers meet, above the reserved and below the ephemeral ones."""
    return 10_000 + int(job) % 20_000


def size_group() -> dict[str, dict[str, Any]]:
    """Hydra's config group `size`, one entry for each row of the size table.

    Values are interpolations: what a size means depends on the objective of the recipe that it is composed with.
    """

    def node(size_name: str) -> dict[str, Any]:
        values = {
            key: f"${{fairseq_budget.setting:${{model._name}},{size_name},{key}}}"
            for key in model_settings("hubert", size_name)
        }
        learning_rate, normalize = values.pop("lr"), values.pop("normalize")
        return {"model": values, "optimization": {"lr": [learning_rate]}, "task": {"normalize": normalize}}

    return {name: node(name) for name in SIZES}
