"""Dropout for a CPU.

torch draws one random number for each value, one after the other, which takes longer than the rest of an attention layer
does.  Here a generator of 64 bits at a time (Chris Doty-Humphrey's SFC64, in numpy) is cut into numbers as wide as the
values.  Seen as floats without a sign they are ordered as the integers are, so that one pass over memory drops every value
whose number is below a threshold.  A probability is rounded to a multiple of 2 ** -15 in half and of 2 ** -31 in single
precision.

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
    return _Dropout.apply(x, probability, draw_seed())  # type: ignore[no-untyped-call]


def draw_seed() -> int:
    """A seed from torch's generator of the CPU."""
    return int(torch.randint(2**63 - 1, ()))


def draw(like: Tensor, seed: int) -> Tensor:
    """Random bits under a sign that is 0, as values of the type of `like`; some are not a number.

    Shape: any -> the same.
    """
    width = like.element_size()
    words = np.random.SFC64(seed).random_raw(-(-like.numel() * width // 8))
    words &= ((1 << 64) - 1) // ((1 << 8 * width) - 1) * ((1 << (8 * width - 1)) - 1)
    bits = torch.from_numpy(words.view(f"i{width}")[: like.numel()])
    return bits.view(like.dtype).view(like.shape)


def threshold(probability: float, dtype: torch.dtype) -> float:
    """The highest of the values that :func:`draw` gives for which a value is dropped."""
    integer = INTEGERS[dtype.itemsize]
    below = int(probability * (torch.iinfo(integer).max + 1) + 0.5)
    return float(torch.tensor(below - 1, dtype=integer).view(dtype))


def drop(x: Tensor, drawn: Tensor, highest: float) -> Tensor:
    """Set values to 0 where the drawn one isn't above `highest`.  Shape: two of the same -> the same."""
    # what torch computes the gradient of a ReLU with; where a value is not a number, nothing is dropped
    return torch.ops.aten.threshold_backward(x, drawn, highest)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float, seed: int) -> Tensor:
        """Shape: any -> the same."""
        drawn = draw(x, seed)
        ctx.save_for_backward(drawn)
        ctx.highest, ctx.scale = threshold(probability, x.dtype), 1 / (1 - probability)
        return drop(x, drawn, ctx.highest).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return drop(gradient, ctx.saved_tensors[0], ctx.highest).mul_(ctx.scale), None, None
