"""TERA's targets: where they come from, under padding and under fairseq's half precision."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fairseq.trainer import Trainer

from fairseq_budget.objectives import build_model
from fairseq_budget.objectives.objective import CONSTANT_TERM
from tests.common import assert_close, tiny_config, waves


def test_targets_follow_the_waveform() -> None:
    """Frame i of the targets is made of the audio around sample 320 i, and of nothing far from it."""
    model = build_model("tera", tiny_config("tera"))
    source = waves(1, 32_000)
    changed = source.clone()
    changed[:, 20_000:] = 0
    before, after = model.targets(source, 99), model.targets(changed, 99)
    assert torch.equal(before[:, :58], after[:, :58])
    assert not torch.allclose(before[:, 64:70], after[:, 64:70])


@pytest.mark.parametrize("samples", range(16_000, 16_641, 80))
def test_an_utterance_has_the_same_targets_alone_and_padded(samples: int) -> None:
    """For any number of samples: an odd 100 Hz frame at the end makes no half target."""
    model = build_model("tera", tiny_config("tera"))
    lengths = torch.tensor([24_000, samples])
    batch = waves(2, 24_000) * (torch.arange(24_000) < lengths[:, None])
    frames = model.model_shape.frames(samples)
    together = model.targets(batch, 74, lengths)[1, :frames]
    alone = model.targets(batch[1:, :samples], frames)[0]
    assert_close(together, alone)
    assert (alone[-1, 39:] != 0).all()


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_targets_come_from_the_waveform_before_fairseq_rounds_it(precision: str) -> None:
    """fairseq's trainer halves every tensor in single precision; a waveform in double stays what it is."""
    common = SimpleNamespace(fp16=precision == "fp16", bf16=precision == "bf16")
    trainer = SimpleNamespace(cfg=SimpleNamespace(common=common))
    model = build_model("tera", tiny_config("tera"))
    source = waves(1, 16_000)
    batch = {"net_input": {"source": source.double(), "rounded": source}}
    inputs = Trainer._fp_convert_sample(trainer, batch)["net_input"]
    exact = model.targets(source, 49)
    assert torch.equal(model.targets(inputs["source"], 49), exact)
    # in half precision, quiet bands would drown in rounding
    assert float((model.targets(inputs["rounded"], 49) - exact).abs().max()) > 1e-3


def test_a_waveform_in_double_is_trained_on_in_the_models_precision() -> None:
    torch.manual_seed(0)
    model = build_model("tera", tiny_config("tera")).eval()
    mask = torch.arange(49)[None] < 20
    single, double = (model(source, mask=mask).total for source in (waves(1, 16_000), waves(1, 16_000).double()))
    assert double.dtype == torch.float32
    assert_close(double, single)


def test_the_loss_is_the_mean_error_of_masked_values_and_ten_times_the_mean_square_of_features() -> None:
    """Liu et al. 2024, by another way: numpy over each masked frame, the penalty on the convolutions' output."""
    torch.manual_seed(0)
    model = build_model("tera", tiny_config("tera")).eval()
    source, mask = waves(2, 16_000), torch.arange(49)[None].expand(2, -1) % 3 == 0
    loss = model(source, mask=mask)
    with torch.no_grad():
        features = model.feature_extractor(source)[0]
        hidden = model.encode_masked(source, mask=mask).hidden
        predicted, wanted = model.final_proj(hidden).numpy(), model.targets(source, 49).numpy()
    errors = [np.abs(predicted[row, frame] - wanted[row, frame]).mean() for row, frame in mask.nonzero().tolist()]
    penalty = 10 * float(features.square().mean())
    assert loss.frames == len(errors) == int(mask.sum())
    assert float(loss.total.detach()) / loss.frames == pytest.approx(np.mean(errors) + penalty, rel=1e-5)
    assert float(loss.terms["loss_features_pen"]) / loss.frames == pytest.approx(penalty, rel=1e-5)


def test_validation_tells_the_loss_of_the_best_constant() -> None:
    """The batch's medians: shifted by anything, they are worse.  Training doesn't compute it."""
    model = build_model("tera", tiny_config("tera")).eval()
    source, mask = waves(2, 16_000), torch.arange(49)[None].expand(2, -1) < 20
    loss = model(source, mask=mask)
    target = model.targets(source, 49)[mask]
    constants = (target.median(dim=0).values + shift for shift in (0.0, 0.1, -0.1))
    best, *others = (float((target - constant).abs().mean()) for constant in constants)
    assert_close(loss.terms[CONSTANT_TERM] / loss.frames, torch.tensor(best))
    assert best < min(others)
    assert CONSTANT_TERM not in model.train()(source, mask=mask).terms
