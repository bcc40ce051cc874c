"""How wav2vec 2.0's penalties are weighed: as fairseq does, or as the batch-size paper."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fairseq_budget.arithmetic.model_config import validate
from fairseq_budget.errors import ConfigError
from fairseq_budget.objectives import build_model
from fairseq_budget.objectives.loss import Loss
from tests.common import tiny_config, waves


def loss(**settings: Any) -> Loss:
    """Of one batch by one model, whatever the weights of its terms."""
    torch.manual_seed(1)
    model = build_model("wav2vec2", tiny_config("wav2vec2", **settings)).eval()
    torch.manual_seed(2)
    return model(waves(2, 24_000))


def test_by_default_every_masked_frame_is_charged() -> None:
    """Liu et al. 2024 and Baevski et al. 2020: weights of 0.1 and 10, once for each masked frame."""
    found = loss()
    diversity = (2 * 320 - float(found.averages["prob_perplexity"])) / (2 * 320)
    assert float(found.terms["loss_diversity"]) == pytest.approx(0.1 * diversity * found.frames)
    total = sum(float(found.terms[f"loss_{name}"]) for name in ("contrastive", "diversity", "features_pen"))
    assert float(found.total) == pytest.approx(total)


def test_the_batch_size_paper_charges_a_batch_once() -> None:
    each, once = loss(), loss(penalties_once=True)
    assert float(once.terms["loss_contrastive"]) == float(each.terms["loss_contrastive"])
    for name in ("loss_diversity", "loss_features_pen"):
        assert float(once.terms[name]) * once.frames == pytest.approx(float(each.terms[name]))
    assert float(once.total) < float(each.total)


def test_the_smallest_batch_weighs_diversity_less() -> None:
    """0.05 at 87.5 s (Vaessen and van Leeuwen)."""
    half = loss(diversity_weight=0.05)
    assert float(half.terms["loss_diversity"]) == pytest.approx(float(loss().terms["loss_diversity"]) / 2)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="`model.diversity_weight` must be at least 0, but is -1"):
        validate(tiny_config("wav2vec2", diversity_weight=-1.0))
