"""BEST-RQ's targets are what the paper's formula gives, the same for every size and precision, and cost what is counted."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from fairseq_budget.arithmetic.flops import forward_flops, training_flops
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.modules.log_mel import SMALLEST_DEVIATION, normalise
from fairseq_budget.objectives import build_model, shape_of
from fairseq_budget.objectives.best_rq.model import perplexity
from fairseq_budget.objectives.best_rq.quantizer import RandomProjectionQuantizer
from tests.common import assert_close, tiny_config, waves


def test_the_code_is_the_nearest_normalised_vector() -> None:
    """Equation 1, by distances."""
    quantizer = RandomProjectionQuantizer(160, 50, 16, seed=3)
    x = torch.randn(40, 160, generator=torch.Generator().manual_seed(1))
    projected = torch.nn.functional.normalize(x @ quantizer.projection, dim=-1)
    vectors = torch.nn.functional.normalize(quantizer.codebook, dim=-1)
    assert torch.equal(quantizer(x), torch.cdist(projected, vectors).argmin(-1))
    assert len(quantizer(x).unique()) > 20


def test_every_size_and_precision_predicts_the_same_codes() -> None:
    small, wide = (build_model("best_rq", tiny_config("best_rq", encoder_embed_dim=dim)).quantizer for dim in (32, 64))
    assert torch.equal(small.codebook, wide.codebook) and torch.equal(small.projection, wide.projection)
    exact = wide.codebook.clone()
    assert torch.equal(wide.half().codebook, exact)
    other = RandomProjectionQuantizer(160, 8192, 16, seed=1)
    assert not torch.equal(other.codebook, exact)


def test_the_quantizer_is_saved_and_never_trained() -> None:
    model = build_model("best_rq", tiny_config("best_rq"))
    assert {"quantizer.projection", "quantizer.codebook"} <= set(model.state_dict())
    assert not any(name.startswith("quantizer") for name, _ in model.named_parameters())


def test_targets_of_a_padded_utterance_are_those_alone() -> None:
    model = build_model("best_rq", tiny_config("best_rq"))
    lengths = torch.tensor([16_000, 11_000])
    batch = waves(2, 16_000) * (torch.arange(16_000) < lengths[:, None])
    together = model.target_frames(batch, 49, lengths)
    alone = model.target_frames(batch[1:, :11_000], 33)
    assert_close(together[1, :33], alone[0])


def test_bands_are_normalised_and_silence_stays_zero() -> None:
    x = torch.randn(2, 30, 5, generator=torch.Generator().manual_seed(0)) * 4 + 7
    x[1] = -15.0
    found = normalise(x, torch.tensor([20, 30]))
    assert_close(found[0, :20].mean(0) + 1, torch.ones(5))
    assert_close(found[0, :20].std(0, correction=0), torch.ones(5))
    assert found[1].abs().max() < SMALLEST_DEVIATION


def test_perplexity_counts_the_codes_in_use() -> None:
    assert_close(perplexity(torch.tensor([3, 3, 5, 5]), 9), torch.tensor(2.0), 1e-4)


def test_the_quantizer_counts_once_and_the_head_three_times() -> None:
    shape = shape_of("best_rq", SIZES["slim"])
    parts = forward_flops(shape, 80_000)
    assert training_flops(shape, [80_000]) == 3 * (sum(parts.values()) - parts["targets"]) + parts["targets"]
    model = build_model("best_rq", tiny_config("best_rq"))
    source, mask = waves(1, 16_000), torch.zeros(1, 49, dtype=torch.bool)
    mask[:, :20] = True
    with FlopCounterMode(display=False) as counter:
        frames = model.target_frames(source, 49)
        model.quantizer(frames[mask])
    assert counter.get_total_flops() == model.model_shape.head.target_flops(model.model_shape, 16_000, 20)
