"""GELU and a strided convolution over time, as matrix products that read their input where it lies.

The utterances of a batch lie one after the other as rows of one matrix, each padded to the same number of rows.  With
`stride` neighbouring rows seen as one wide row, a convolution is a product of wide rows with part of the kernel, plus the
product of the wide rows after them with the rest of it.  A matrix product runs near the machine's best rate on any device,
which the convolutions of the libraries below torch reach in some layouts and precisions only, and seldom in all of forward
pass, gradient of the input and gradient of the weight.

Rows whose kernel reaches past the end of their utterance hold nothing that is used, and get no gradient.

What a GELU is taken of is kept for the backward pass, or computed again; its GELU is always computed again, a block of rows
at a time.  That costs 1 to 2% of the convolution's time, and saves more than half of the memory that the front end takes.

Letters: N rows of input, M = N / stride rows of output, C and C' channels, K kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS_ON_CPU, ROWS_ELSEWHERE = 2048, 1 << 20
"""Rows of output that are computed at a time: on a CPU what its cache holds, on a GPU few launches."""

Read = Callable[[slice], Tensor]
"""Gives rows of the input, before the GELU.  Shape: -> (n, C)"""
Take = Callable[[slice, Tensor], None]
"""Takes the gradient of rows of the input, before the GELU.  Shape: (n, C)"""


def gelu_conv(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """``conv(gelu(x))`` without bias.

    Shape: x (N, C) with N a multiple of `stride`, weight (C', C, K) -> (N / stride, C')
    """
    return _GeluConv.apply(x, weight, stride)  # type: ignore[no-untyped-call]


def taps_first(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """A kernel in the order in which a wide row holds its values.  Shape: (C', C, K) -> (C', K, C)"""
    turned = weight.transpose(1, 2)
    return turned.contiguous() if dtype == weight.dtype else turned.to(dtype, memory_format=torch.contiguous_format)


class _GeluConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Shape: x (N, C), weight (C', C, K) -> (M, C')."""
        ctx.dtype, weight = weight.dtype, taps_first(weight, x.dtype)
        ctx.save_for_backward(x, weight)
        out = x.new_empty(x.size(0) // stride, weight.size(0))
        convolve(x.__getitem__, x.size(0), weight, out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = torch.empty_like(x), sums_for(weight)
        convolve_backward(x.__getitem__, x.size(0), weight, gradient, of_x.__setitem__, of_weight)
        return of_x, of_weight.to(ctx.dtype).transpose(1, 2), None


def sums_for(x: Tensor) -> Tensor:
    """Zeros in which to sum up a gradient, in single precision at least.  Shape: any -> the same."""
    return torch.zeros_like(x, dtype=torch.promote_types(x.dtype, torch.float32))


def convolve(read: Read, total: int, weight: Tensor, out: Tensor) -> None:
    """Write the convolution of ``gelu(x)`` to `out`.

    Shape: `read` gives rows of x (N, C), N = `total`; weight (C', K, C), out (M, C')
    """
    for written, needed in _blocks(total, weight.size(1), out):
        block = out[written]
        for wide, rows, taps in _pieces(F.gelu(read(needed)), weight.size(1), total // len(out), len(block)):
            filters = weight[:, taps].flatten(1).t()
            if taps.start == 0:
                torch.mm(wide, filters, out=block[rows])
            else:
                torch.addmm(block[rows], wide, filters, out=block[rows])


def convolve_backward(read: Read, total: int, weight: Tensor, gradient: Tensor, take: Take, of_weight: Tensor) -> None:
    """Hand on the gradient of x, block by block, and add that of the weight to `of_weight`.

    Shape: `read` gives and `take` takes rows of x (N, C), N = `total`; weight and of_weight (C', K, C), gradient (M, C')
    """
    stride, kernel, carried = total // len(gradient), weight.size(1), gradient[:0]
    # a kernel shorter than the stride leaves out rows, which get no gradient
    make = torch.empty_like if kernel >= stride else torch.zeros_like
    for written, needed in _blocks(total, kernel, gradient):
        x, arriving = read(needed), gradient[written]
        activated, of_activated = F.gelu(x), make(x)
        views = (_pieces(rows, kernel, stride, len(arriving)) for rows in (activated, of_activated))
        for (wide, rows, taps), (of_wide, _, _) in zip(*views, strict=True):
            of_weight[:, taps].flatten(1).add_(torch.mm(arriving[rows].t(), wide))
            filters = weight[:, taps].flatten(1)
            if taps.start == 0:
                torch.mm(arriving[rows], filters, out=of_wide)
                of_activated[len(of_wide) * stride :] = 0  # only later taps reach these, or none
            else:
                torch.addmm(of_wide, arriving[rows], filters, out=of_wide)
        if len(carried):
            # rows that the block before has read, too
            of_activated[: len(carried)] += carried
        own = len(arriving) * stride
        carried = of_activated[own:]
        take(slice(needed.start, needed.start + own), torch.ops.aten.gelu_backward(of_activated[:own], x[:own]))


def _blocks(total: int, kernel: int, out: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows of output, and the rows of input that they are computed from, some of which the next block needs, too."""
    stride, size = total // len(out), ROWS_ON_CPU if out.device.type == "cpu" else ROWS_ELSEWHERE
    for first in range(0, len(out), size):
        last = min(first + size, len(out))
        yield slice(first, last), slice(first * stride, min(last * stride + max(kernel - stride, 0), total))


def _pieces(x: Tensor, kernel: int, stride: int, outputs: int) -> Iterator[tuple[Tensor, slice, slice]]:
    """For each wide row that a kernel touches: the matrix of such rows, which of so many output rows it adds to, by which
    taps of the kernel.  The matrix is a view of `x` (n, C)."""
    channels = x.size(1)
    for first in range(0, kernel, stride):
        taps = slice(first, min(first + stride, kernel))
        # at the end of an utterance, the last kernels reach too far
        count = max(min((len(x) - taps.stop) // stride + 1, outputs), 0)
        wide = x.as_strided((count, (taps.stop - first) * channels), (stride * channels, 1), first * channels)
        yield wide, slice(count), taps
