"""The encoder and the objectives compute what stock fairseq's models compute, from the same state dict.

In double precision they agree to 1e-10 (1e-14 measured): every faster computation is the same one, rearranged.  In single
precision each is up to 1e-5 away from that, by rounding alone: stock fairseq as far as we are.
"""

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

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.modules.masking import draw_mask
from fairseq_budget.objectives import build_model, model_config
from fairseq_budget.objectives.loss import FEATURES_PENALTY
from fairseq_budget.objectives.wav2vec2.model import draw_distractors
from tests.common import assert_close, tiny_config, waves

CLUSTERS = 20
NO_DROPOUT = dict.fromkeys(
    ("dropout", "attention_dropout", "activation_dropout", "dropout_input", "dropout_features", "encoder_layerdrop"), 0.0
)
VARIANTS = {
    "published": {},
    "hubert_large": {"layer_norm_first": True, "extractor_mode": "layer_norm", "feature_grad_mult": 1.0},
    "tanh": {"activation_fn": "gelu_accurate"},
}
SETTINGS = {"hubert": {"label_rate": 50.0}, "wav2vec2": {"num_negatives": 10, "latent_vars": 8}}
NARROW = {"conv_feature_layers": "[(48,10,5)] + [(48,3,2)] * 4 + [(48,2,2)] * 2"}


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
MODULES = {"hubert": "fairseq.models.hubert.hubert", "wav2vec2": "fairseq.models.wav2vec.wav2vec2"}


def pair(objective: str, **settings: Any) -> tuple[nn.Module, nn.Module]:
    """Our model and stock fairseq's with the same weights."""
    torch.manual_seed(0)
    config = tiny_config(objective, **NO_DROPOUT, **settings)
    ours, stock = build_model(objective, config), STOCK[objective](config)
    ours.load_state_dict(stock.state_dict(), strict=True)
    return ours, stock


class SameBatch:
    """The losses of both models on the same audio, masks, labels and distractors."""

    def __init__(self, objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.objective = objective
        # whatever stock fairseq would draw, it is given
        monkeypatch.setattr(
            f"{MODULES[objective]}.compute_mask_indices", lambda *_, **__: self.mask.numpy().astype(np.bool_)
        )
        monkeypatch.setattr(Wav2Vec2Model, "sample_negatives", lambda _, y, *__, **___: given_negatives(y, self.distractors))

    def draw(self, batch: int, samples: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.source, self.seed = waves(batch, samples, seed), seed
        frames = tiny_config("hubert").shape().frames(samples)
        self.mask = draw_mask([frames] * batch, 0.65, 10)
        self.masked = int(self.mask[0].sum())
        # the same label for some frames in a row, as real ones have
        self.target = torch.randint(4, CLUSTERS + 4, (batch, frames // 4 + 1)).repeat_interleave(4, 1)[:, :frames]
        self.distractors = draw_distractors(batch, self.masked, 10)

    def ours(self, model: nn.Module, source: Tensor) -> Tensor:
        """Shape: source (B, S) -> ()"""
        torch.manual_seed(self.seed)
        if self.objective == "hubert":
            loss = model(source, self.target, mask=self.mask)
        else:
            loss = model(source, mask=self.mask, distractors=self.distractors)
        assert loss.frames == len(source) * self.masked
        return loss.total

    def stock(self, model: nn.Module, source: Tensor) -> Tensor:
        """What fairseq's criterions make of the model's output.  Shape: source (B, S) -> ()"""
        torch.manual_seed(self.seed)
        if self.objective == "hubert":
            nothing = torch.zeros_like(source, dtype=torch.bool)
            net = model(source, target_list=[self.target], padding_mask=nothing, mask=True)
            logits, targets = model.get_logits(net, True)[0].float(), model.get_targets(net, True)[0]
            extra = FEATURES_PENALTY * net["features_pen"]
        else:
            net = model(source, mask=True)
            logits, targets = model.get_logits(net).float(), model.get_targets(None, net)
            diversity, penalty = model.get_extra_losses(net)
            extra = 0.1 * diversity + FEATURES_PENALTY * penalty  # Liu et al. 2024: loss_weights [0.1, 10]
        return nn.functional.cross_entropy(logits, targets, reduction="sum") + extra * len(logits)


def given_negatives(y: Tensor, distractors: Tensor) -> tuple[Tensor, None]:
    """What stock fairseq's `sample_negatives` returns for given indices.  Shape: -> (N, B, M, C)"""
    rows = torch.arange(y.size(0))[:, None, None]
    return y[rows, distractors].permute(2, 0, 1, 3), None


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


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


@pytest.mark.parametrize(
    ("objective", "variant", "samples"),
    [
        ("hubert", "published", 20_000),
        ("hubert", "published", 20_234),
        ("hubert", "hubert_large", 20_000),
        ("wav2vec2", "published", 19_999),
        ("wav2vec2", "tanh", 19_999),
    ],
)
def test_losses_and_gradients(objective: str, variant: str, samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    same = SameBatch(objective, monkeypatch)
    same.draw(2, samples, seed=1)
    ours, stock = pair(objective, **SETTINGS[objective], **VARIANTS[variant])
    loss = same.ours(ours, same.source)
    assert_close(loss, same.stock(stock, same.source))
    single = gradients(ours, loss)
    # stock fairseq computes norms, similarities and losses in float32 whatever its parameters are: here in double
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    ours, stock = ours.double(), stock.double()
    ours.zero_grad()
    wave = same.source.double()
    loss, reference = same.ours(ours, wave), same.stock(stock, wave)
    assert_close(loss, reference, 1e-10)
    exact, expected = gradients(ours, loss), gradients(stock, reference)
    assert exact.keys() == expected.keys() == single.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        if name.endswith("k_proj.bias"):
            # it cancels out of the softmax: what is left is rounding
            assert max(float(g[name].abs().max()) for g in (single, exact, expected)) < 1e-5 * largest
            continue
        assert_close(exact[name], gradient, 1e-10)
        assert_close(single[name].double(), gradient)


@pytest.mark.slow
@pytest.mark.parametrize("objective", STOCK)
def test_loss_curves_over_200_updates(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same weights, on the same audio with the same masks, labels and distractors."""
    same = SameBatch(objective, monkeypatch)
    models = pair(objective, **SETTINGS[objective], **NARROW)
    optimizers = [torch.optim.AdamW(model.parameters(), lr=5e-4, betas=(0.9, 0.98), eps=1e-6) for model in models]
    curves: list[list[float]] = [[], []]
    for update in range(200):
        same.draw(2, 16_000, seed=update % 20)
        for model, optimizer, loss_of, curve in zip(models, optimizers, (same.ours, same.stock), curves, strict=True):
            loss = loss_of(model, same.source) / (2 * same.masked)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            curve.append(float(loss.detach()))
    ours, stock = torch.tensor(curves)
    print(f"{objective}: {stock[0]:.3f} to {stock[-1]:.3f}, apart by {float(((ours - stock) / stock).abs().max()):.1e}")
    assert stock[-20:].mean() < 0.9 * stock[:20].mean(), "it should learn something"
    assert_close(ours, stock, 1e-4)


def test_labels_at_100_hz_are_taken_as_stock_fairseq_takes_them() -> None:
    ours, stock = pair("hubert", label_rate=100.0)
    target = torch.arange(260)[None]
    _, expected = stock.forward_targets(torch.zeros(1, 64, 124), [target])
    assert torch.equal(ours.labels_of_frames(target, 124), expected[0])


def test_gumbel_draws_are_stock_fairseqs() -> None:
    """In training, from the same generator state, the same codewords are drawn."""
    ours, stock = pair("wav2vec2")
    features = torch.randn(1, 30, 32, generator=torch.Generator().manual_seed(3))
    ours.quantizer.set_num_updates(1000)
    stock.quantizer.set_num_updates(1000)
    assert ours.quantizer.temperature == stock.quantizer.curr_temp
    torch.manual_seed(7)
    quantized = ours.quantizer(features[0])
    torch.manual_seed(7)
    reference = stock.quantizer(features)
    assert_close(quantized.vectors, reference["x"][0])
    assert_close(quantized.prob_perplexity.sum(), reference["prob_perplexity"])


def test_assert_close_can_fail() -> None:
    reference = torch.ones(3)
    with pytest.raises(AssertionError, match="differs by"):
        assert_close(reference + torch.tensor([0.0, 0.0, 1e-3]), reference)


def test_namespace_configurations_are_read() -> None:
    """A checkpoint's configuration may be any object with fairseq's field names."""
    config = model_config("tera", SimpleNamespace(**asdict(tiny_config("tera")), _name="budget_tera"))
    assert config == tiny_config("tera")
