"""Which frames are masked: spans drawn for a whole batch at once.

Letters: B utterances, F frames, P places where a span may begin.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHORTEST_MASKABLE = 2
"""Frames below which nothing can be both masked and seen."""


def draw_mask(frames: list[int], mask_prob: float, mask_length: int, min_spans: int = 2, equal: bool = True) -> Tensor:
    """Draw span masks on the CPU from torch's global generator.

    For an utterance of T frames, ``mask_prob * T / mask_length`` span starts (rounded up or down at random) are drawn
    without replacement; spans may overlap (wav2vec 2.0, section 4.1, and HuBERT, as fairseq's `compute_mask_indices` with
    static lengths does it).  Where they are to be `equal`, every utterance is then reduced at random to the number of masked
    frames of the poorest, so that the batch's losses form a rectangle.

    Shape: frames (B numbers) -> mask (B, max F), bool, on the CPU.
    """
    length = torch.tensor(frames)[:, None]
    span = (length // SHORTEST_MASKABLE).clamp(1, mask_length)
    places = (length - span).clamp(min=1)
    wanted = mask_prob * length.double() / span + torch.rand((), dtype=torch.float64)
    spans = wanted.long().clamp(min=min_spans).minimum(places)
    # a random order of each row's places; the first `spans` of them begin a span
    place = torch.arange(int(places.max()))
    order = torch.rand(len(frames), len(place)).masked_fill(place >= places, 2.0).argsort(1)
    starts = torch.zeros(len(frames), max(frames), dtype=torch.long).scatter_(1, order, (place < spans).long())
    # a frame is masked when more spans began up to it than had begun a span's length before
    begun, frame = starts.cumsum(1), torch.arange(max(frames))
    over = begun.gather(1, (frame - span).clamp(min=0)) * (frame >= span)
    return _equalise(begun > over) if equal else begun > over


def _equalise(mask: Tensor) -> Tensor:
    """Unmask frames at random until every row has as many as the poorest row.  Shape: (B, F) -> (B, F)."""
    fewest = int(mask.sum(1).min())
    order = torch.where(mask, torch.rand(mask.shape), 2.0).argsort(1)
    return torch.zeros_like(mask).scatter_(1, order[:, :fewest], True)
