"""The one table of model sizes.

Source: Liu et al. 2024, "Efficient Training of Self-Supervised Speech Foundation Models on a Compute Budget", table 4
(shapes) and the configurations its authors released (regularisation of Large).  The mini sizes, from 0.004 to 7 million
parameters, are this project's: what a laptop trains in minutes from mel frames.  Models, recipes, planner, upstream names,
reports and tests read this table; to add a size is to add a row.  Learning rates are each objective's affair.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.errors import unknown_name


@dataclass(frozen=True)
class Size:
    """One row: a Transformer's shape and how it is regularised."""

    name: str
    encoder_layers: int
    encoder_embed_dim: int
    encoder_ffn_embed_dim: int
    encoder_attention_heads: int
    final_dim: int
    regularised: bool = True
    """Dropout and LayerDrop as published; Large trains without either, and with unscaled gradients to its convolutions."""
    mini: bool = False
    """Below the published sizes: no curve that anybody has published reaches it."""

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


def _mini(name: str, layers: int, width: int, heads: int, final_dim: int) -> Size:
    """Too small, and trained too shortly, to need dropout; a feed-forward of 4 x the width, as in Base and Large.

    Named as the published ones: percent of Slim's parameters, here of HuBERT from mel frames with 100 clusters.  The
    convolutions alone would be 21%.
    """
    return Size(name, layers, width, 4 * width, heads, final_dim, regularised=False, mini=True)


SIZES: dict[str, Size] = {
    size.name: size
    for size in (
        _mini("0.02", 1, 8, 1, 8),
        _mini("0.05", 1, 16, 1, 16),
        _mini("0.15", 1, 32, 1, 32),
        _mini("0.2", 2, 32, 1, 32),
        _mini("0.5", 2, 48, 1, 48),
        _mini("1", 3, 64, 1, 64),
        _mini("2", 3, 96, 2, 96),
        _mini("5", 4, 128, 2, 128),
        _mini("10", 4, 192, 3, 192),
        _mini("20", 4, 256, 4, 256),
        _mini("35", 5, 320, 5, 256),
        Size("30", 4, 192, 320, 4, 256),
        Size("50", 5, 320, 768, 8, 256),
        Size("70", 7, 384, 768, 8, 256),
        Size("small", 3, 640, 2048, 8, 256),
        Size("slim", 12, 384, 768, 8, 256),
        Size("200", 15, 528, 1024, 12, 256),
        Size("base", 12, 768, 3072, 12, 256),
        Size("large", 24, 1024, 4096, 16, 768, regularised=False),
    )
}


def get_size(name: str) -> Size:
    """The row called `name`; an unknown name is an error that lists the known ones."""
    if str(name) not in SIZES:
        raise unknown_name("size", name, SIZES)
    return SIZES[str(name)]


def find_size(shape: tuple[int, ...]) -> Size | None:
    """The row of that (layers, width, feed-forward, heads, final dimension), or None for a shape of one's own."""
    return next((size for size in SIZES.values() if size.shape == tuple(shape)), None)
