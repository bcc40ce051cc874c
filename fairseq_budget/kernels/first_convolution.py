"""The first convolution with its group norm, as one product of the waveform with normalised filters.

Group norm with a group for each channel normalises every channel over the time of its utterance.  What it normalises is a
linear function of the waveform, so mean and variance follow from the waveform's own: with w_c the kernel of channel c, m
the mean and V the covariance of the pieces of waveform that the kernel meets,

    mean_c = w_c . m,    variance_c = w_c . V w_c,

and ``gain_c (w_c . x - mean_c) / sqrt(variance_c + eps) + bias_c`` is again a convolution, with other filters and a bias.
Its output, the widest tensor of the model, is then so cheap that it is never stored: the second convolution computes what it
needs of it, a block at a time, and again in the backward pass.

Letters: B utterances, S samples, R rows (pieces of waveform) of an utterance, K kernel, C channels; C', K', R' the second
convolution's.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.kernels.precision import as_it_is
from fairseq_budget.kernels.strided import Read, convolve, convolve_backward, sums_for, taps_first

TENSOR_CORE_WIDTH = 8
"""Values in half precision: sizes of matrices that are multiples of it run on tensor cores."""


PARTS = 64
"""Of an utterance, at most, whose sums are rounded to half precision on their own; the whole is summed up in double."""


def pieces_of(source: Tensor, kernel: int, stride: int) -> Tensor:
    """What the kernel meets at each step; past the end of the waveform it meets zeros.

    Shape: (B, S) with S a multiple of `stride` -> (B, S / stride, K)
    """
    return F.pad(source, (0, max(kernel - stride, 0))).unfold(1, kernel, stride)[:, : source.size(1) // stride]


def normalised_filters(
    pieces: Tensor, frames: int | Tensor, weight: Tensor, gain: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Filters and biases that do what the kernel and the group norm after it do.

    The moments are taken in double precision: a filter that passes little of the waveform has a small variance, which is
    the difference of large numbers here.  Unlike stock fairseq, which mixes the padding of a batch into the statistics, only
    the `frames` that exist are counted, so that an utterance gets the same features alone and in a batch.

    Shape: pieces (B, R, K), frames () or (B,) the valid rows, weight (C, K), gain and bias (C,)
    -> filters (B, C, K), biases (B, C), both in double precision
    """
    with as_it_is(pieces):
        if isinstance(frames, Tensor):
            count: Tensor | int = frames.double()[:, None, None]
            pieces = pieces.double() * (torch.arange(pieces.size(1), device=pieces.device) < frames[:, None])[..., None]
        else:
            count = frames
            pieces = pieces[:, :frames].double()
        mean = pieces.sum(1, keepdim=True) / count
        covariance = pieces.transpose(1, 2) @ pieces / count - mean.transpose(1, 2) * mean
        weight, gain, bias = weight.double(), gain.double(), bias.double()
        variance = ((weight @ covariance) * weight).sum(-1)
        scale = gain * torch.rsqrt(variance + eps)
        shift = bias - scale * (weight @ mean.transpose(1, 2)).squeeze(-1)
        return scale[..., None] * weight, shift


def filtered_gelu_conv(
    pieces: Tensor, filters: Tensor, biases: Tensor, weight: Tensor, stride: int, at_once: bool | None = None
) -> Tensor:
    """``conv(gelu(filters . pieces + biases))``, in the precision of the pieces.

    On a GPU all utterances `at_once`: a few kernels for the batch, and the widest tensor while it is needed.  On a CPU one
    after the other, a block at a time, which stays in the cache.

    Shape: pieces (B, R, K), filters (B, C, K), biases (B, C), weight (C', C, K') -> (B * R', C')
    """
    at_once = pieces.device.type != "cpu" if at_once is None else at_once
    kind = _BatchedGeluConv if at_once else _FilteredGeluConv
    return kind.apply(pieces, filters, biases, weight, stride)  # type: ignore[no-untyped-call]


def fill_up(x: Tensor, multiple: int = TENSOR_CORE_WIDTH) -> Tensor:
    """Zeros after the last values, up to a width that a GPU's tensor cores take.  Shape: (..., K) -> (..., K')"""
    return F.pad(x, (0, -x.size(-1) % multiple))


class _BatchedGeluConv(torch.autograd.Function):
    """As :class:`_FilteredGeluConv`, all utterances in one product of matrices."""

    @staticmethod
    def forward(ctx: Any, pieces: Tensor, filters: Tensor, biases: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Shape: pieces (B, R, K), filters (B, C, K), biases (B, C), weight (C', C, K') -> (B * R', C')."""
        ctx.dtype, weight = weight.dtype, taps_first(weight, pieces.dtype)
        pieces = fill_up(pieces)
        ctx.save_for_backward(pieces, filters, biases, weight)
        x = _all_rows(pieces, filters, biases)
        out = x.new_empty(len(x) // stride, weight.size(0))
        convolve(x.__getitem__, len(x), weight, out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        pieces, filters, biases, weight = ctx.saved_tensors
        x, of_weight = _all_rows(pieces, filters, biases), sums_for(weight)
        of_x = torch.empty_like(x)
        convolve_backward(x.__getitem__, len(x), weight, gradient, of_x.__setitem__, of_weight)
        batch, rows, width = pieces.shape
        parts = math.gcd(rows, PARTS)
        # (B * R, C) -> (B * parts, R / parts, C), and as many of the pieces
        products = torch.bmm(
            of_x.view(batch * parts, -1, x.size(1)).transpose(1, 2), pieces.reshape(batch * parts, -1, width)
        )
        of_filters = products.view(batch, parts, -1, width)[..., : filters.size(2)].sum(1, dtype=filters.dtype)
        of_rows = of_x.view(batch, rows, -1)
        of_pieces = torch.bmm(of_rows, filters.to(of_rows.dtype)) if ctx.needs_input_grad[0] else None
        of_kernel = of_weight.to(ctx.dtype).transpose(1, 2)
        return of_pieces, of_filters, of_rows.sum(1, dtype=biases.dtype), of_kernel, None


def _all_rows(pieces: Tensor, filters: Tensor, biases: Tensor) -> Tensor:
    """The first convolution.  Shape: pieces (B, R, K'), filters (B, C, K), biases (B, C) -> (B * R, C)"""
    matrices = fill_up(filters.to(pieces.dtype)).transpose(1, 2)
    return torch.baddbmm(biases.to(pieces.dtype)[:, None], pieces, matrices).flatten(0, 1)


class _FilteredGeluConv(torch.autograd.Function):
    """Gradients of filters and biases are summed in their own precision, which is double.

    They are sums over 3200 rows for each second of an utterance, of which group norm's derivative leaves a small part:
    rounded once to half precision, much of that part would be lost.
    """

    @staticmethod
    def forward(ctx: Any, pieces: Tensor, filters: Tensor, biases: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Shape: pieces (B, R, K), filters (B, C, K), biases (B, C), weight (C', C, K') -> (B * R', C')."""
        ctx.dtype, weight = weight.dtype, taps_first(weight, pieces.dtype)
        ctx.save_for_backward(pieces, filters, biases, weight)
        total = pieces.size(1)
        out = pieces.new_empty(len(pieces), total // stride, weight.size(0))
        for row, of_row in enumerate(out):
            convolve(_reader(pieces[row], filters[row], biases[row]), total, weight, of_row)
        return out.flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        pieces, filters, biases, weight = ctx.saved_tensors
        of_pieces = torch.empty_like(pieces) if ctx.needs_input_grad[0] else None
        of_filters, of_biases, of_weight = torch.zeros_like(filters), torch.zeros_like(biases), sums_for(weight)
        for row, arriving in enumerate(gradient.reshape(len(pieces), -1, gradient.size(1))):

            def take(rows: slice, of_rows: Tensor, row: int = row) -> None:
                # (n, K), (n, C) -> (C, K): the wide matrix is read as it lies
                of_filters[row] += torch.mm(pieces[row, rows].t(), of_rows).t()
                of_biases[row] += of_rows.sum(0)
                if of_pieces is not None:
                    of_pieces[row, rows] = of_rows @ filters[row].to(of_rows.dtype)

            read = _reader(pieces[row], filters[row], biases[row])
            convolve_backward(read, pieces.size(1), weight, arriving, take, of_weight)
        return of_pieces, of_filters, of_biases, of_weight.to(ctx.dtype).transpose(1, 2), None


def _reader(pieces: Tensor, filters: Tensor, biases: Tensor) -> Read:
    """What computes rows of an utterance's first convolution.  Shape: pieces (R, K), filters (C, K), biases (C,)"""
    # (C, K) -> (K, C)
    matrix, bias = filters.t().to(pieces.dtype).contiguous(), biases.to(pieces.dtype)
    return lambda rows: torch.addmm(bias, pieces[rows], matrix)
