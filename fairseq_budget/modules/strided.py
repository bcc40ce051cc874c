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

ROWS_ON_CPU, ROWS_ELSEWHERE = 4096, 1 << 20
"""Rows of output that are computed at a time: on a CPU what its cache holds, on a GPU few launches."""


def gelu_conv(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """``conv(gelu(x))`` without bias.

    Only `x` is kept for the backward pass, which computes its GELU again, a block of rows at a time: that costs 1 to 2% of
    the convolution's time, and saves more than half of the memory that the front end takes.

    Shape: x (N, C) with N a multiple of `stride`, weight (C', C, K) -> (N / stride, C')
    """
    # (C', C, K) -> (C', K * C): the order in which a wide row holds its values
    return _GeluConv.apply(x, weight.transpose(1, 2).flatten(1).to(x.dtype), stride)


def _blocks(x: Tensor, kernel: int, stride: int) -> Iterator[tuple[slice, slice]]:
    """Rows of output, and the rows of input that they are computed from, some of which the next block needs, too."""
    total, size = x.size(0) // stride, ROWS_ON_CPU if x.device.type == "cpu" else ROWS_ELSEWHERE
    for first in range(0, total, size):
        last = min(first + size, total)
        yield slice(first, last), slice(first * stride, min(last * stride + max(kernel - stride, 0), x.size(0)))


def _pieces(rows: Tensor, weight: Tensor, stride: int, outputs: int) -> Iterator[tuple[Tensor, slice, slice]]:
    """For each wide row that a kernel touches: the matrix of such rows, which of so many output rows it adds to, by which
    columns of the weight.  A matrix is a view of `rows` (n, C)."""
    channels = rows.size(1)
    kernel = weight.size(1) // channels
    for first_tap in range(0, kernel, stride):
        taps = min(stride, kernel - first_tap)
        # at the end of the batch, the last kernels reach too far
        count = max(min((rows.size(0) - first_tap - taps) // stride + 1, outputs), 0)
        wide = rows.as_strided((count, taps * channels), (stride * channels, 1), first_tap * channels)
        yield wide, slice(count), slice(first_tap * channels, (first_tap + taps) * channels)


class _GeluConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Shape: x (N, C), weight (C', K * C) -> (M, C')."""
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        out = x.new_empty(x.size(0) // stride, weight.size(0))
        for written, read in _blocks(x, weight.size(1) // x.size(1), stride):
            target_rows = out[written]
            for wide, rows, taps in _pieces(F.gelu(x[read]), weight, stride, len(target_rows)):
                target = target_rows[rows]
                if taps.start == 0:
                    torch.mm(wide, weight[:, taps].t(), out=target)
                else:
                    torch.addmm(target, wide, weight[:, taps].t(), out=target)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        of_x = torch.empty_like(x)
        of_weight = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
        carried, kernel = x[:0], weight.size(1) // x.size(1)
        # a kernel shorter than the stride leaves out rows, which get no gradient
        make = torch.empty_like if kernel >= ctx.stride else torch.zeros_like
        for written, read in _blocks(x, kernel, ctx.stride):
            activated, arriving = F.gelu(x[read]), gradient[written]
            of_activated = make(activated)
            views = (_pieces(rows, weight, ctx.stride, len(arriving)) for rows in (activated, of_activated))
            for (wide, rows, taps), (of_wide, _, _) in zip(*views, strict=True):
                of_weight[:, taps] += torch.mm(arriving[rows].t(), wide)
                if taps.start == 0:
                    torch.mm(arriving[rows], weight[:, taps], out=of_wide)
                    of_activated[len(of_wide) * ctx.stride :] = 0  # only later taps reach these, or none
                else:
                    torch.addmm(of_wide, arriving[rows], weight[:, taps], out=of_wide)
            # rows that the block before has read, too
            of_activated[: len(carried)] += carried
            own = len(arriving) * ctx.stride
            carried = of_activated[own:]
            mine = slice(read.start, read.start + own)
            torch.ops.aten.gelu_backward.grad_input(of_activated[:own], x[mine], grad_input=of_x[mine])
        return of_x, of_weight.to(weight.dtype), None
