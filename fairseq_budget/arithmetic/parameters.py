"""Parameters of a model, counted from its shape.

The counts of the published sizes are those of Liu et al. 2024, table 4, and the number of elements in the built modules;
both are tested.
"""

from __future__ import annotations

from fairseq_budget.arithmetic.head import linear
from fairseq_budget.arithmetic.shape import ModelShape


def count_parameters(shape: ModelShape) -> int:
    """All parameters of a model as it is pre-trained: front end, encoder, mask embedding and the objective's head."""
    return shape.frontend.parameters() + _transformer(shape) + shape.head.parameters(shape)


def _transformer(shape: ModelShape) -> int:
    dim, width = shape.dim, shape.frontend.width
    projection = linear(width, dim) if width != dim else 0
    # weight norm keeps one gain for each tap of the kernel
    positional = dim * (dim // shape.pos_groups) * shape.pos_kernel + shape.pos_kernel + dim
    layer = 4 * linear(dim, dim) + linear(dim, shape.ffn) + linear(shape.ffn, dim) + 4 * dim
    mask_embedding, final_norm = dim, 2 * dim
    return projection + positional + shape.layers * layer + mask_embedding + final_norm
