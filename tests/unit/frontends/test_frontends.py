"""What every front end has: frames as counted, alone as in a batch, and a place in every model."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from fairseq_budget.arithmetic.flops import forward_flops, hardware_flops, training_flops
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends import FRONTENDS, build_frontend
from fairseq_budget.objectives import OBJECTIVES, build_model, model_config, shape_of
from tests.common import assert_close, tiny_config, waves


def masked_half(model: torch.nn.Module, source: torch.Tensor) -> dict[str, torch.Tensor]:
    frames = model.model_shape.frames(source.size(1))
    given = {"mask": (torch.arange(frames) < frames // 2).expand(len(source), -1)}
    if model.config.objective == "hubert":
        given["target"] = torch.zeros(len(source), frames, dtype=torch.long)
    return given


@pytest.mark.parametrize("name", FRONTENDS)
@pytest.mark.parametrize("samples", [399, 559, 560, 879, 880, 16_000, 16_001])
def test_frames_are_those_counted(name: str, samples: int) -> None:
    cost = FRONTENDS[name].settings().cost()
    frames, lengths = build_frontend(cost)(waves(1, max(samples, cost.shortest_crop)), torch.tensor([samples]))
    assert max(int(lengths), 0) == cost.frames(samples)
    assert frames.shape == (1, max(cost.frames(samples), 1), cost.width)
    assert cost.frames(cost.shortest_crop) == 1 > cost.frames(cost.shortest_crop - 1)
    assert cost.stride == 320


@pytest.mark.parametrize("frontend", FRONTENDS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_parameters_are_those_counted(objective: str, frontend: str) -> None:
    model = build_model(objective, tiny_config(objective, frontend=frontend))
    assert sum(p.numel() for p in model.parameters()) == count_parameters(model.model_shape)


@pytest.mark.parametrize("frontend", FRONTENDS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_checkpoints_configuration_has_the_front_end(objective: str, frontend: str) -> None:
    config = tiny_config(objective, frontend=frontend)
    assert model_config(objective, asdict(config)).shape() == config.shape()
    older = {name: value for name, value in asdict(config).items() if name not in ("frontend", "mel_bands")}
    assert model_config(objective, older).frontend == "conv", "earlier versions had no other"


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_mel_filters_count_once_and_conv_three_times(objective: str) -> None:
    for frontend, times in (("conv", 3), ("mel", 1)):
        shape = shape_of(objective, SIZES["slim"], frontend=frontend)
        parts = forward_flops(shape, 80_000)
        own, targets = parts[shape.frontend.component], parts["targets"]
        others = sum(parts.values()) - own - targets
        assert training_flops(shape, [80_000]) == times * own + targets + 3 * others
        assert own > 0


def test_frames_without_a_gradient_save_a_product() -> None:
    """Of the projection, and in wav2vec 2.0 of the codewords' logits, too; `feature_grad_mult` = 0 does the same."""
    for objective in OBJECTIVES:
        mel, conv = (shape_of(objective, SIZES["slim"], frontend=frontend) for frontend in ("mel", "conv"))
        saved = training_flops(mel, [80_000]) - hardware_flops(mel, [80_000], mel.layers)
        assert (saved == forward_flops(mel, 80_000)["projection"]) == (objective != "wav2vec2")
        both = [hardware_flops(conv, [80_000], conv.layers, frontend_learns=learns) for learns in (True, False)]
        parts = forward_flops(conv, 80_000)
        more = both[0] - both[1] - 2 * parts["convolutions"] - parts["projection"]
        assert (more == 0) == (objective != "wav2vec2")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_penalty_on_frames_that_are_not_learned(objective: str) -> None:
    torch.manual_seed(0)
    model = build_model(objective, tiny_config(objective, frontend="mel"))
    source = waves(2, 16_000)
    loss = model(source, **masked_half(model, source))
    assert float(loss.terms["loss_features_pen"]) == 0.0
    loss.total.backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == set(), "everything that is trained is reached"


@pytest.mark.parametrize("objective", ["tera", "best_rq"])
def test_the_front_ends_own_frames_are_predicted(objective: str) -> None:
    """A head that gives the frames themselves (TERA), or their codes (BEST-RQ), has no loss left."""
    torch.manual_seed(0)
    model = build_model(objective, tiny_config(objective, frontend="mel", mel_statistics="utterance")).eval()
    source = waves(2, 16_000)
    given = masked_half(model, source)
    frames = model.feature_extractor(source)[0]
    masked = frames[given["mask"]]
    if objective == "best_rq":
        model.final_proj.forward = lambda x: (
            100.0 * torch.nn.functional.one_hot(model.quantizer(masked), 8192).view(*x.shape[:2], -1)
        )
    else:
        model.final_proj.forward = lambda x: masked.view(*x.shape[:2], -1)
    loss = model(source, **given)
    assert float(loss.total.detach() / loss.frames) < 1e-5


def test_every_problem_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown front end `wav`: choose one of conv, mel"):
        model_config("tera", {"frontend": "wav"})
    with pytest.raises(
        ConfigError, match=r"`model.mel_bands` must be from 1 to 128, but is 0.*`corpus` or `utterance`, but is"
    ):
        model_config("tera", {"frontend": "mel", "mel_bands": 0, "mel_statistics": "speaker"})
    assert model_config("tera", {"frontend": "conv", "mel_bands": 0}).frontend == "conv", "another's settings don't matter"


@pytest.mark.parametrize("statistics", ["corpus", "utterance"])
def test_frames_alone_are_those_of_a_padded_batch(statistics: str) -> None:
    frontend = build_frontend(FRONTENDS["mel"].settings(mel_statistics=statistics).cost())
    lengths = torch.tensor([16_000, 9_137])
    batch = waves(2, 16_000) * (torch.arange(16_000) < lengths[:, None])
    together, frames = frontend(batch, lengths)
    alone, _ = frontend(batch[1:, :9_137])
    assert frames.tolist() == [49, alone.size(1)]
    assert_close(together[1, : alone.size(1)], alone[0])
