"""The encoder and the objectives compute what stock fairseq's models compute, from the same state dict."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models.hubert.hubert import HubertConfig, HubertModel
from fairseq.models.wav2vec.wav2vec2 import Wav2Vec2Config, Wav2Vec2Model
from fairseq.tasks.hubert_pretraining import HubertPretrainingConfig
from torch import Tensor, nn

from fairseq_budget.modules.config import ModelConfig
from fairseq_budget.modules.objective import FEATURES_PENALTY
from fairseq_budget.modules.objectives import build_model
from tests.common import assert_close, tiny_config, waves

CLUSTERS = 20
NO_DROPOUT = dict.fromkeys(
    ("dropout", "attention_dropout", "activation_dropout", "dropout_input", "dropout_features", "encoder_layerdrop"), 0.0
)
VARIANTS = {
    "published": {},
    "hubert_large": {"layer_norm_first": True, "extractor_mode": "layer_norm", "feature_grad_mult": 1.0},
}


def stock_hubert(config: ModelConfig) -> HubertModel:
    stock = HubertConfig(**{k: v for k, v in asdict(config).items() if k in HubertConfig.__dataclass_fields__})
    stock.required_seq_len_multiple = 1
    dictionary = Dictionary()
    for cluster in range(CLUSTERS):
        dictionary.add_symbol(str(cluster))
    task = HubertPretrainingConfig(label_rate=config.label_rate)
    return HubertModel(stock, task, [dictionary])


def stock_wav2vec2(config: ModelConfig) -> Wav2Vec2Model:
    shared = {k: v for k, v in asdict(config).items() if k in Wav2Vec2Config.__dataclass_fields__}
    stock = Wav2Vec2Config(**shared, quantize_targets=True)
    stock.required_seq_len_multiple = 1
    return Wav2Vec2Model(stock)


STOCK = {"hubert": stock_hubert, "wav2vec2": stock_wav2vec2}


def pair(objective: str, **settings: Any) -> tuple[nn.Module, nn.Module]:
    """Our model and stock fairseq's with the same weights."""
    torch.manual_seed(0)
    config = tiny_config(**NO_DROPOUT, **settings)
    ours, stock = build_model(objective, config), STOCK[objective](config)
    ours.load_state_dict(stock.state_dict(), strict=True)
    return ours, stock


def fixed_mask(batch: int, frames: int) -> Tensor:
    mask = torch.zeros(batch, frames, dtype=torch.bool)
    mask[:, 10:30] = True
    mask[:, 60:75] = True
    return mask


def give_mask(monkeypatch: pytest.MonkeyPatch, module: str, mask: Tensor) -> None:
    """Let stock fairseq mask the same frames."""
    monkeypatch.setattr(f"{module}.compute_mask_indices", lambda *args, **kwargs: mask.numpy().astype(np.bool_))


def assert_same_gradients(ours: nn.Module, stock: nn.Module) -> None:
    reference = dict(stock.named_parameters())
    largest = max(float(p.grad.abs().max()) for p in reference.values() if p.grad is not None)
    for name, parameter in ours.named_parameters():
        expected = reference[name].grad
        # keys' biases cancel out of attention: their gradient is rounding noise in both
        floor = torch.tensor(1e-4 * largest)
        if expected.abs().max() > floor or parameter.grad.abs().max() > floor:
            assert_close(parameter.grad, expected, 1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("objective", STOCK)
def test_features_are_stock_fairseqs(objective: str, variant: str) -> None:
    ours, stock = (model.eval() for model in pair(objective, **VARIANTS[variant]))
    source = waves(2, 20_000)
    with torch.no_grad():
        states, frames = ours.extract(source)
        reference = stock.extract_features(source, padding_mask=None, mask=False)
    reference = reference[0] if objective == "hubert" else reference["x"]
    assert frames.tolist() == [reference.size(1)] * 2
    assert_close(states[-1], reference)
    assert len(states) == ours.config.encoder_layers + 1


@pytest.mark.parametrize("objective", STOCK)
def test_state_dicts_go_both_ways(objective: str) -> None:
    ours, stock = pair(objective)
    stock.load_state_dict(ours.state_dict(), strict=True)


def test_hubert_loss_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, stock = pair("hubert", label_rate=50.0)
    source, frames = waves(2, 40_000), 124
    target = torch.randint(4, CLUSTERS + 4, (2, frames), generator=torch.Generator().manual_seed(1))
    mask = fixed_mask(2, frames)
    give_mask(monkeypatch, "fairseq.models.hubert.hubert", mask)
    loss = ours(source, target, mask=mask)
    net = stock(source, target_list=[target], padding_mask=torch.zeros_like(source, dtype=torch.bool), mask=True)
    logits = stock.get_logits(net, is_masked=True)[0].float()
    reference = nn.functional.cross_entropy(logits, stock.get_targets(net, is_masked=True)[0], reduction="sum")
    reference = reference + FEATURES_PENALTY * net["features_pen"] * len(logits)
    assert loss.frames == len(logits)
    assert_close(loss.total, reference)
    loss.total.backward()
    reference.backward()
    assert_same_gradients(ours, stock)


def test_labels_at_100_hz_are_taken_as_stock_fairseq_takes_them() -> None:
    ours, stock = pair("hubert", label_rate=100.0)
    target = torch.arange(260)[None]
    _, expected = stock.forward_targets(torch.zeros(1, 64, 124), [target])
    assert torch.equal(ours.labels_of_frames(target, 124), expected[0])


@pytest.mark.parametrize("masked", [35])
def test_wav2vec2_loss_and_gradients(monkeypatch: pytest.MonkeyPatch, masked: int) -> None:
    ours, stock = pair("wav2vec2", num_negatives=10, latent_vars=8)
    ours.quantizer.eval()
    stock.quantizer.eval()
    source, frames = waves(2, 40_000), 124
    mask = fixed_mask(2, frames)
    give_mask(monkeypatch, "fairseq.models.wav2vec.wav2vec2", mask)
    distractors = torch.randint(masked - 1, (2, masked, 10), generator=torch.Generator().manual_seed(1))
    distractors = distractors + (distractors >= torch.arange(masked)[:, None])
    monkeypatch.setattr(stock, "sample_negatives", lambda y, *_, **__: given_negatives(y, distractors))
    loss = ours(source, mask=mask, distractors=distractors)
    net = stock(source, mask=True)
    logits = stock.get_logits(net).float()
    reference = nn.functional.cross_entropy(logits, stock.get_targets(None, net), reduction="sum")
    diversity, penalty = stock.get_extra_losses(net)
    reference = reference + (0.1 * diversity + FEATURES_PENALTY * penalty) * len(logits)
    assert loss.frames == len(logits) == 2 * masked
    assert_close(loss.total, reference)
    assert_close(loss.averages["code_perplexity"], net["code_perplexity"])
    loss.total.backward()
    reference.backward()
    assert_same_gradients(ours, stock)


def given_negatives(y: Tensor, distractors: Tensor) -> tuple[Tensor, None]:
    """What stock fairseq's `sample_negatives` returns for given indices.  Shape: -> (N, B, M, C)"""
    rows = torch.arange(y.size(0))[:, None, None]
    return y[rows, distractors].permute(2, 0, 1, 3), None


def test_gumbel_draws_are_stock_fairseqs() -> None:
    """In training, from the same generator state, the same codewords are drawn."""
    ours, stock = pair("wav2vec2")
    features = torch.randn(1, 30, 512, generator=torch.Generator().manual_seed(3))
    ours.quantizer.set_num_updates(1000)
    stock.quantizer.set_num_updates(1000)
    assert ours.quantizer.temperature == stock.quantizer.curr_temp
    torch.manual_seed(7)
    quantized = ours.quantizer(features[0])
    torch.manual_seed(7)
    reference = stock.quantizer(features)
    assert_close(quantized.vectors, reference["x"][0])
    assert_close(quantized.prob_perplexity, reference["prob_perplexity"])


def test_assert_close_can_fail() -> None:
    reference = torch.ones(3)
    with pytest.raises(AssertionError, match="differs by"):
        assert_close(reference + torch.tensor([0.0, 0.0, 1e-3]), reference)


def test_namespace_configurations_are_read() -> None:
    """A checkpoint's configuration may be any object with fairseq's field names."""
    from fairseq_budget.modules.config import model_config

    config = model_config(SimpleNamespace(**asdict(tiny_config()), _name="budget_tera"))
    assert config == tiny_config()
