"""Masks are rectangular, inside their utterances, and as many frames as stock fairseq masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fairseq.data.data_utils import compute_mask_indices

from fairseq_budget.modules.masking import draw_mask


@pytest.mark.parametrize("frames", [[100, 100, 100], [300, 120], [12], [3, 5], [2, 400]])
def test_masks_are_rectangular_and_inside_the_utterance(frames: list[int]) -> None:
    torch.manual_seed(0)
    mask = draw_mask(frames, 0.8, 10)
    assert mask.sum(1).unique().numel() == 1
    assert mask.any(1).all()
    for row, length in enumerate(frames):
        assert not mask[row, length:].any()
        assert not mask[row, :length].all()


@pytest.mark.parametrize("mask_prob", [0.3, 0.65, 0.8])
def test_the_masked_share_is_stock_fairseqs(mask_prob: float) -> None:
    """About 49% of the frames at 0.65 (Baevski et al. 2020, section 4.1)."""
    torch.manual_seed(0)
    rows, frames = 4, 499
    index = torch.arange(rows)
    ours = torch.stack([draw_mask([frames] * rows, mask_prob, 10).double().mean() for _ in range(150)])
    stock = [
        compute_mask_indices(
            (rows, frames), None, mask_prob, 10, "static", 0.0, min_masks=2, seed=0, epoch=epoch, indices=index
        ).mean()
        for epoch in range(150)
    ]
    assert float(ours.mean()) == pytest.approx(float(np.mean(stock)), abs=0.008)
    assert float(ours.std()) == pytest.approx(float(np.std(stock)), rel=0.3)


def test_a_lone_utterances_mask_is_made_of_whole_spans() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        edges = torch.nn.functional.pad(draw_mask([200], 0.4, 10)[0].long(), (1, 1)).diff()
        lengths = (edges == -1).nonzero() - (edges == 1).nonzero()
        assert int(lengths.min()) >= 10


def test_every_place_is_as_likely() -> None:
    """But for the ends, which fewer spans can cover."""
    torch.manual_seed(0)
    share = torch.stack([draw_mask([60] * 8, 0.5, 5).double().mean(0) for _ in range(600)]).mean(0)
    middle = share[6:-6]
    assert float(middle.max() - middle.min()) < 0.06
