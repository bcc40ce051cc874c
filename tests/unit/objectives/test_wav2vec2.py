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
    assert float(found.total.detach()) == pytest.approx(total)


def test_the_batch_size_paper_charges_a_batch_once() -> None:
    """Its code (Vaessen and van Leeuwen): 0.1 x the sum over codebooks of 320 - perplexity, and 10 x the mean square."""
    each, once = loss(), loss(penalties_once=True)
    assert float(once.terms["loss_contrastive"]) == float(each.terms["loss_contrastive"])
    unused = 2 * 320 - float(once.averages["prob_perplexity"])
    assert float(once.terms["loss_diversity"]) == pytest.approx(0.1 * unused)
    penalties = (float(found.terms["loss_features_pen"]) for found in (once, each))
    assert next(penalties) * once.frames == pytest.approx(next(penalties))


def test_the_smallest_batch_weighs_diversity_less() -> None:
    """0.05 at 87.5 s (Vaessen and van Leeuwen)."""
    half = loss(diversity_weight=0.05)
    assert float(half.terms["loss_diversity"]) == pytest.approx(float(loss().terms["loss_diversity"]) / 2)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="`model.diversity_weight` must be at least 0, but is -1"):
        validate(tiny_config("wav2vec2", diversity_weight=-1.0))


def test_codebooks_are_monitored_each_and_codewords_now_and_then() -> None:
    """Similarities every 100 updates (Vaessen and van Leeuwen), against the pairs themselves."""
    torch.manual_seed(1)
    model: Any = build_model("wav2vec2", tiny_config("wav2vec2", latent_vars=5)).train()
    for updates, wanted in ((0, False), (99, False), (100, True), (101, True)):
        model.quantizer.set_num_updates(updates)
        found = model(waves(2, 24_000)).averages
        assert ("codeword_similarity_mean_2" in found) == wanted
    assert float(found["code_perplexity"]) == pytest.approx(sum(float(found[f"code_perplexity_{book}"]) for book in (1, 2)))
    words = model.quantizer.vars.detach().view(2, 5, -1)[1]
    pairs = [float(torch.cosine_similarity(words[a], words[b], dim=0)) for a in range(5) for b in range(a)]
    for kind, expected in (("min", min(pairs)), ("mean", sum(pairs) / 10), ("max", max(pairs))):
        assert float(found[f"codeword_similarity_{kind}_2"]) == pytest.approx(expected, abs=1e-6)
    assert "codeword_similarity_mean_2" not in model.eval()(waves(2, 24_000)).averages, "validation has no updates"
