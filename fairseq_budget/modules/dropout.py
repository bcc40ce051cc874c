"""Dropout for a CPU.

torch draws one random number for each value, one after the other, which takes longer than the rest of an attention layer
does.  Here a generator of 64 bits at a time (Chris Doty-Humphrey's SFC64, in numpy) is cut into numbers as wide as the
values, and compared and applied as integers.  A probability is rounded to a multiple of 2 ** -15 in half and of 2 ** -31 in
single precision.

Seeds are drawn from torch's generator, so `torch.manual_seed` decides what is dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The integer that is as wide as a float of so many bytes."""


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Set values to 0 with a probability and scale the others up, in training.  Shape: any -> the same."""
    if not training or probability == 0:
        return x
    if x.device.type != "cpu" or probability == 1 or torch.compiler.is_compiling():
        return F.dropout(x, probability)
    return _Dropout.apply(x, probability, draw_seed())


def draw_seed() -> int:
    """A seed from torch's generator of the CPU."""
    return int(torch.randint(2**63 - 1, ()))


def negative_where_dropped(like: Tensor, probability: float, seed: int) -> Tensor:
    """Integers as wide as the values of `like`, negative with a probability.  Shape: any -> the same."""
    width = like.element_size()
    words = np.random.SFC64(seed).random_raw(-(-like.numel() * width // 8))
    integers = words.view(f"i{width}")[: like.numel()]
    highest = 1 << (8 * width - 1)
    integers &= highest - 1
    integers -= int(probability * highest + 0.5)
    return torch.from_numpy(integers).view(like.shape)


def zero_where_negative(x: Tensor, integers: Tensor) -> Tensor:
    """Shape: two of the same -> the same."""
    keep = integers.bitwise_right_shift(8 * x.element_size() - 1).bitwise_not_()
    return torch.bitwise_and(x.view(keep.dtype), keep, out=keep).view(x.dtype)


class _Dropout(torch.autograd.Function):
    """Keeps a seed instead of a mask."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float, seed: int) -> Tensor:
        """Shape: any -> the same."""
        ctx.probability, ctx.seed = probability, seed
        return zero_where_negative(x, negative_where_dropped(x, probability, seed)).mul_(1 / (1 - probability))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return _Dropout.forward(ctx, gradient, ctx.probability, ctx.seed), None, None
