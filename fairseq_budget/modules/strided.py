"""GELU and a strided convolution over time, as matrix products that read their input where it lies.

The utterances of a batch lie one after the other as rows of one matrix, each padded to the same number of rows.  With
`stride` neighbouring rows seen as one wide row, a convolution is a product of wide rows with part of the kernel, plus the
product of the wide rows after them with the rest of it.  A matrix product runs near the machine's best rate on any device,
which the convolutions of the libraries below torch reach in some layouts and precisions only, and seldom in all of forward
pass, gradient of the input and gradient of the weight.

Rows whose kernel reaches past the end of their utterance hold nothing that is used, and get no gradient.

Letters: N rows of input, M = N / stride rows of output, C and C' channels, K kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def gelu_conv(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """``conv(gelu(x))`` without bias.

    Only `x` is kept for the backward pass, which computes its GELU again: that costs 1 to 2% of the convolution's time and
    saves half of the memory that the front end's activations take.

    Shape: x (N, C) with N a multiple of `stride`, weight (C', C, K) -> (N / stride, C')
    """
    # (C', C, K) -> (C', K * C): the order in which a wide row holds its values
    return _GeluConv.apply(x, weight.transpose(1, 2).flatten(1).to(x.dtype), stride)


def _pieces(kernel: int, stride: int, channels: int) -> Iterator[tuple[int, slice]]:
    """For each wide row that a kernel touches: how far ahead it is, and which columns of the weight it meets."""
    for ahead, tap in enumerate(range(0, kernel, stride)):
        yield ahead, slice(tap * channels, min(tap + stride, kernel) * channels)


class _GeluConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Shape: x (N, C), weight (C', K * C) -> (M, C')."""
        ctx.save_for_backward(x, weight)
        ctx.stride, channels = stride, x.size(1)
        wide = F.gelu(x).view(-1, stride * channels)
        out = x.new_empty(wide.size(0), weight.size(0))
        for ahead, taps in _pieces(weight.size(1) // channels, stride, channels):
            rows, filters = wide[ahead:, : taps.stop - taps.start], weight[:, taps].t()
            if ahead == 0:
                torch.mm(rows, filters, out=out)
            else:
                torch.addmm(out[:-ahead], rows, filters, out=out[:-ahead])
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        stride, channels = ctx.stride, x.size(1)
        wide = F.gelu(x).view(-1, stride * channels)
        of_wide, of_weight = torch.empty_like(wide), torch.empty_like(weight)
        for ahead, taps in _pieces(weight.size(1) // channels, stride, channels):
            width, reaching = taps.stop - taps.start, gradient[: gradient.size(0) - ahead]
            torch.mm(reaching.t(), wide[ahead:, :width], out=of_weight[:, taps])
            of_rows = of_wide[ahead:, :width]
            if ahead == 0:
                torch.mm(reaching, weight[:, taps], out=of_rows)
                of_wide[:, width:] = 0
            else:
                torch.addmm(of_rows, reaching, weight[:, taps], out=of_rows)
        del wide
        of_x = of_wide.view_as(x)
        return torch.ops.aten.gelu_backward.grad_input(of_x, x, grad_input=of_x), of_weight, None
