"""Which frames are masked: spans drawn for a whole batch without a Python loop over frames.

Letters: B utterances, F frames, N spans.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHORTEST_MASKABLE = 2
"""Frames below which nothing can be both masked and seen."""


def draw_mask(frames: list[int], mask_prob: float, mask_length: int, min_spans: int = 2) -> Tensor:
    """Draw span masks on the CPU from torch's global generator.

    For an utterance of T frames, ``mask_prob * T / mask_length`` span starts (rounded up or down at random) are drawn
    without replacement; spans may overlap (wav2vec 2.0, section 4.1, and HuBERT, as fairseq's `compute_mask_indices` with
    static lengths does it).  Every utterance is then reduced at random to the number of masked frames of the poorest, so
    that the batch's losses form a rectangle.

    Shape: frames (B numbers) -> mask (B, max F), bool, on the CPU.
    """
    rounding = torch.rand(()).item()
    mask = torch.zeros(len(frames), max(frames), dtype=torch.bool)
    for row, length in enumerate(frames):
        span = min(mask_length, max(length // SHORTEST_MASKABLE, 1))
        places = max(length - span, 1)
        spans = min(max(int(mask_prob * length / span + rounding), min_spans), places)
        starts = torch.randperm(places)[:spans]
        mask[row].index_fill_(0, (starts[:, None] + torch.arange(span)).flatten(), True)
    return _equalise(mask)


def _equalise(mask: Tensor) -> Tensor:
    """Unmask frames at random until every row has as many as the poorest row."""
    fewest = int(mask.sum(1).min())
    order = torch.where(mask, torch.rand(mask.shape), 2.0).argsort(1)
    return torch.zeros_like(mask).scatter_(1, order[:, :fewest], True)
