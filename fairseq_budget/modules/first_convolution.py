"""The first convolution with its group norm, as one product of the waveform with normalised filters.

Group norm with a group for each channel normalises every channel over the time of its utterance.  What it normalises is a
linear function of the waveform, so mean and variance follow from the waveform's own: with w_c the kernel of channel c, m
the mean and V the covariance of the pieces of waveform that the kernel meets,

    mean_c = w_c . m,    variance_c = w_c . V w_c,

and ``gain_c (w_c . x - mean_c) / sqrt(variance_c + eps) + bias_c`` is again a convolution, with other filters and a bias.
The widest tensor of the model is thus written once, instead of being read and written by the norm twice in each direction.

Letters: B utterances, S samples, R rows (pieces of waveform) of an utterance, K kernel, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.modules.precision import as_it_is

ROWS_AT_A_TIME = 1024
"""Rows that are filtered, and whose gradients are summed, in one product: what a processor's cache holds."""


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
            count = frames.double()[:, None, None]
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


def filtered(pieces: Tensor, filters: Tensor, biases: Tensor) -> Tensor:
    """Each piece of waveform times each filter, plus the filter's bias, in the precision of the pieces.

    Shape: pieces (B, R, K), filters (B, C, K), biases (B, C) -> (B, R, C)
    """
    return _Filtered.apply(pieces, filters, biases)


class _Filtered(torch.autograd.Function):
    """A batched product in blocks of rows, whose gradients are summed in the precision of the filters.

    They are sums over 3200 rows for each second of an utterance, of which group norm's derivative leaves a small part:
    rounded once to half precision, much of that part would be lost.
    """

    @staticmethod
    def forward(ctx: Any, pieces: Tensor, filters: Tensor, biases: Tensor) -> Tensor:
        """Shape: pieces (B, R, K), filters (B, C, K), biases (B, C) -> (B, R, C)."""
        ctx.save_for_backward(pieces, filters)
        # (B, C, K) -> (B, K, C), (B, C) -> (B, 1, C)
        low, bias = filters.transpose(1, 2).to(pieces.dtype), biases.to(pieces.dtype)[:, None]
        out = pieces.new_empty(*pieces.shape[:2], filters.size(1))
        for rows, block in zip(pieces.split(ROWS_AT_A_TIME, 1), out.split(ROWS_AT_A_TIME, 1), strict=True):
            torch.baddbmm(bias, rows, low, out=block)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:  # type: ignore[override]
        pieces, filters = ctx.saved_tensors
        # (B, R, K), (B, R, C) -> (B, K, C)
        of_filters, of_biases = torch.zeros_like(filters.transpose(1, 2)), torch.zeros_like(filters[..., 0])
        for rows, block in zip(pieces.split(ROWS_AT_A_TIME, 1), gradient.split(ROWS_AT_A_TIME, 1), strict=True):
            of_filters += torch.bmm(rows.transpose(1, 2), block)
            of_biases += block.sum(1)
        of_pieces = torch.bmm(gradient, filters.to(gradient.dtype)) if ctx.needs_input_grad[0] else None
        return of_pieces, of_filters.transpose(1, 2), of_biases
