"""Scaled dot-product attention with dropout on its weights, for a CPU.

torch's fused attention for CPUs has no dropout; with dropout it falls back to separate operations, half of whose time goes
into random numbers, copies and masks.  Here each utterance is attended to on its own, over the frames that exist: nothing
is computed for padding, no mask is needed, and the weights of an utterance stay in the cache.

Letters: B utterances, H heads, F frames, n frames of an utterance, E width of a head.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.kernels.dropout import draw, draw_seed, drop, threshold


def attend(query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None, dropout: float) -> Tensor:
    """``dropout(softmax(q k^T / sqrt(E))) v`` (Vaswani et al. 2017, equation 1).

    Shape: query, key and value (B, H, F, E), keep (B, 1, 1, F) true where a frame exists, the existing ones first, or None
    when all do -> (B, H, F, E)
    """
    on_cpu = query.device.type == "cpu" and torch.is_grad_enabled() and not torch.compiler.is_compiling()
    if not on_cpu or dropout == 1:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=keep, dropout_p=dropout)
    batch, _, frames, _ = query.shape
    lengths = [frames] * batch if keep is None else keep.sum(-1).flatten().tolist()
    return _Attention.apply(query, key, value, lengths, dropout, draw_seed() if dropout else 0)  # type: ignore[no-untyped-call]


class _Attention(torch.autograd.Function):
    """The attention weights are kept for the backward pass, the dropped ones with a minus sign."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, lengths: list[int], dropout: float, seed: int
    ) -> Tensor:
        """Shape: (B, H, F, E) three times, B lengths -> (B, H, F, E); rows past an utterance's end are 0."""
        scale = 1 / math.sqrt(query.size(-1))
        # (B, F, H, E) in memory: heads are joined again without a copy
        out = torch.zeros_like(query.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2)
        highest, kept = threshold(dropout, query.dtype), []
        for row, length in enumerate(lengths):
            own = (row, slice(None), slice(length))
            scores = torch.bmm(query[own] * scale, key[own].transpose(1, 2))
            weights = dropped = torch.softmax(scores, -1, out=scores)
            if dropout:
                dropped = drop(weights, draw(weights, seed + row), highest)
                # the same where they are the same, the other sign where nothing is left: exact
                torch.lerp(weights, dropped, 2.0, out=weights)
            out[own] = torch.bmm(dropped, value[own])
            kept.append(weights)
        ctx.save_for_backward(query, key, value, *kept)
        ctx.scale, ctx.share, ctx.dropout = scale, 1 / (1 - dropout), dropout
        return out.mul_(ctx.share) if dropout else out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *kept = ctx.saved_tensors
        of_query, of_key, of_value = (torch.zeros_like(x) for x in (query, key, value))
        for row, weights in enumerate(kept):
            own = (row, slice(None), slice(weights.size(-1)))
            arriving = gradient[own] * ctx.share
            through = weights.clamp(min=0) if ctx.dropout else weights
            of_value[own] = torch.bmm(through.transpose(1, 2), arriving)
            of_weights = torch.bmm(arriving, value[own].transpose(1, 2))
            if ctx.dropout:
                of_weights = drop(of_weights, weights, 0.0)
            whole = weights.abs() if ctx.dropout else weights
            of_scores = torch._softmax_backward_data(of_weights, whole, -1, whole.dtype)
            of_query[own] = torch.bmm(of_scores, key[own]).mul_(ctx.scale)
            of_key[own] = torch.bmm(of_scores.transpose(1, 2), query[own]).mul_(ctx.scale)
        return of_query, of_key, of_value, None, None, None
