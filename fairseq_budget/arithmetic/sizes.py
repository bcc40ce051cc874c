"""The one table of model sizes.

Source: Liu et al. 2024, "Efficient Training of Self-Supervised Speech Foundation Models on a Compute Budget", table 4
(shapes) and the configurations its authors released (regularisation of Large).  Models, recipes, planner, upstream names,
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


SIZES: dict[str, Size] = {
    size.name: size
    for size in (
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
