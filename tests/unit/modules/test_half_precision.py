"""bf16 autocast computes the same losses and gradients, roughly, for all three objectives; parameters stay in fp32."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fairseq_budget.frontends.conv.defaults import ConvSettings
from fairseq_budget.objectives import OBJECTIVES, build_model, model_config
from fairseq_budget.objectives.wav2vec2.model import draw_distractors
from tests.common import tiny_config, waves

SAMPLES, FRAMES, MASKED = 8_000, 24, 12


def example(objective: str, **settings: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    """A model without dropout, and a batch in which one utterance is shorter.

    No codeword is chosen by less than what rounding changes (1.5 and 2.6 against twice 0.7 and 1.0), whatever the processor.
    """
    torch.manual_seed(1)
    if objective == "wav2vec2":
        settings["latent_vars"] = 2
    nothing = dict.fromkeys(("dropout", "attention_dropout", "dropout_input", "dropout_features", "encoder_layerdrop"), 0.0)
    settings["conv_feature_layers"] = ConvSettings().conv_feature_layers
    model = build_model(objective, tiny_config(objective, feature_grad_mult=1.0, **nothing, **settings))
    mask = torch.zeros(2, FRAMES, dtype=torch.bool)
    mask[:, 4 : 4 + MASKED] = True
    inputs = {"source": waves(2, SAMPLES), "lengths": torch.tensor([SAMPLES, 7_000]), "mask": mask}
    if objective == "hubert":
        inputs["target"] = torch.randint(24, (2, FRAMES))
    if objective == "wav2vec2":
        model.quantizer.eval()
        inputs["distractors"] = draw_distractors(2, MASKED, 10)
    return model, inputs


def gradients(model: nn.Module, inputs: dict[str, Tensor], low: bool) -> tuple[float, dict[str, Tensor]]:
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        loss = model(**inputs)
    loss.total.backward()
    return float(loss.total.detach()), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("mode", ["default", "layer_norm"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_losses_and_gradients_are_those_of_single_precision(objective: str, mode: str) -> None:
    model, inputs = example(objective, extractor_mode=mode)
    exact, expected = gradients(model, inputs, low=False)
    rounded, found = gradients(model, inputs, low=True)
    assert rounded != exact, "something should be computed in half precision"
    assert rounded == pytest.approx(exact, rel=0.01)
    # as one vector: bf16 has 8 bits, and a codeword's choice may flip
    whole = [torch.cat([g.flatten() for g in grads.values()]).double() for grads in (expected, found)]
    assert float(torch.cosine_similarity(*whole, dim=0)) > 0.99
    assert {g.dtype for g in found.values()} == {torch.float32}
    for name in ("feature_extractor.conv_layers.0.0.weight", "feature_extractor.conv_layers.3.0.weight"):
        assert float(torch.cosine_similarity(found[name].flatten(), expected[name].flatten(), dim=0)) > 0.97, name


@pytest.mark.parametrize("dtype", [pytest.param(torch.float16, marks=pytest.mark.slow), torch.bfloat16])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_model_in_half_precision_trains(objective: str, dtype: torch.dtype) -> None:
    """fairseq's own `common.fp16` and `common.bf16`: parameters and the waveform are halved."""
    model, inputs = example(objective)
    exact, _ = gradients(model, inputs, low=False)
    rounded, found = gradients(model.to(dtype), {**inputs, "source": inputs["source"].to(dtype)}, low=False)
    assert rounded == pytest.approx(exact, rel=0.02)
    assert all(g.isfinite().all() and g.dtype == dtype for g in found.values())


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(Exception, match="`model.autocast` must be `none` or `bf16`, but is `fp8`"):
        model_config("tera", {"autocast": "fp8"})
