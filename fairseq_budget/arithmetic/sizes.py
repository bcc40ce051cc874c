"""The one table of model sizes.

Source: Liu et al. 2024, "Efficient Training of Self-Supervised Speech Foundation Models on a Compute Budget", table 4
(shapes) and the configurations its authors released (learning rates, regularisation of Large).  Models, recipes, planner,
upstream names, reports and tests read this table; to add a size is to add a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fairseq_budget.errors import unknown_name

OBJECTIVES = ("hubert", "wav2vec2", "tera")
"""Predictive, contrastive and generative: the three objectives of the study."""

CONV_LAYERS: tuple[tuple[int, int, int], ...] = ((512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2)
"""Convolutional encoder as (channels, kernel, stride); 320 samples a frame, 50 Hz (papers A, B and C)."""


@dataclass(frozen=True)
class Size:
    """One row: a Transformer's shape, what it weighs relative to Slim, and its learning rates."""

    name: str
    percent: Mapping[str, int]
    encoder_layers: int
    encoder_embed_dim: int
    encoder_ffn_embed_dim: int
    encoder_attention_heads: int
    final_dim: int
    lr: Mapping[str, float]
    regularised: bool = True
    """Dropout and LayerDrop as published; Large trains without either, and with unscaled gradients to its convolutions."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(layers, width, feed-forward width, heads, final dimension), what tells sizes apart in a checkpoint."""
        return (
            self.encoder_layers,
            self.encoder_embed_dim,
            self.encoder_ffn_embed_dim,
            self.encoder_attention_heads,
            self.final_dim,
        )


def _per_objective(hubert: float, wav2vec2: float, tera: float) -> dict:
    return {"hubert": hubert, "wav2vec2": wav2vec2, "tera": tera}


def _same(value: int) -> dict[str, int]:
    return dict.fromkeys(OBJECTIVES, value)


_LR_SMALL = _per_objective(5e-4, 4e-4, 5e-4)

SIZES: dict[str, Size] = {
    size.name: size
    for size in (
        Size("30", _same(30), 4, 192, 320, 4, 256, _LR_SMALL),
        Size("50", _same(50), 5, 320, 768, 8, 256, _LR_SMALL),
        Size("70", _same(70), 7, 384, 768, 8, 256, _LR_SMALL),
        Size("small", _same(100), 3, 640, 2048, 8, 256, _per_objective(5e-4, 5e-4, 5e-4)),
        Size("slim", _same(100), 12, 384, 768, 8, 256, _LR_SMALL),
        Size("200", _same(200), 15, 528, 1024, 12, 256, _per_objective(4e-4, 3e-4, 4e-4)),
        Size("base", _per_objective(473, 467, 476), 12, 768, 3072, 12, 256, _per_objective(3e-4, 2e-4, 3e-4)),
        Size(
            "large",
            _per_objective(1582, 1559, 1590),
            24,
            1024,
            4096,
            16,
            768,
            _per_objective(2e-4, 1e-4, 5e-5),
            regularised=False,
        ),
    )
}


def get_size(name: str) -> Size:
    """The row called `name`; an unknown name is an error that lists the known ones."""
    if str(name) not in SIZES:
        raise unknown_name("size", name, SIZES)
    return SIZES[str(name)]


def check_objective(name: str) -> str:
    """`name` if it is one of the three objectives; else an error that lists them."""
    if name not in OBJECTIVES:
        raise unknown_name("objective", name, OBJECTIVES)
    return name


def find_size(shape: tuple[int, ...]) -> Size | None:
    """The row of that (layers, width, feed-forward, heads, final dimension), or None for a shape of one's own."""
    return next((size for size in SIZES.values() if size.shape == tuple(shape)), None)
