"""What every objective has in common: padding, masking, gradients, and that each one learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fairseq_budget.arithmetic.model_config import validate
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends.conv.cost import LAYERS
from fairseq_budget.frontends.conv.defaults import ConvSettings, parse_convolutions
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.modules.masking import draw_mask
from fairseq_budget.modules.transformer import SelfAttention
from fairseq_budget.objectives import OBJECTIVES, build_model, model_config, shape_of
from fairseq_budget.objectives.wav2vec2.model import draw_distractors
from fairseq_budget.recipes import model_settings
from tests.common import assert_close, tiny_config, waves

NARROW = "[(48,10,5)] + [(48,3,2)] * 4 + [(48,2,2)] * 2"


def inputs(model: SpeechEncoder, source: Tensor) -> dict[str, Tensor]:
    if model.config.objective != "hubert":
        return {}
    return {"target": torch.randint(24, (source.size(0), source.size(1) // 320), generator=torch.Generator())}


@pytest.mark.parametrize("size", ["30", "slim"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_recipes_build_the_counted_parameters(objective: str, size: str) -> None:
    model = build_model(objective, model_config(objective, model_settings(objective, size)))
    assert sum(p.numel() for p in model.parameters()) == count_parameters(shape_of(objective, SIZES[size]))


SHAPES = [(objective, changes) for objective in OBJECTIVES for changes in ({}, {"extractor_mode": "layer_norm"})]
SHAPES += [(objective, {"encoder_embed_dim": 512}) for objective in OBJECTIVES] + [("wav2vec2", {"latent_dim": 48})]


@pytest.mark.parametrize(("objective", "settings"), SHAPES)
def test_any_shape_has_the_counted_parameters(objective: str, settings: dict) -> None:
    model = build_model(objective, tiny_config(objective, **settings))
    assert sum(p.numel() for p in model.parameters()) == count_parameters(model.model_shape)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("size", SIZES)
def test_settings_give_the_shape_of_the_table(objective: str, size: str) -> None:
    config = model_config(objective, model_settings(objective, size))
    assert config.shape() == shape_of(objective, SIZES[size])


@pytest.mark.parametrize("mode", ["default", "layer_norm"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_utterance_has_the_same_features_alone_and_in_a_batch(objective: str, mode: str) -> None:
    torch.manual_seed(0)
    model = build_model(objective, tiny_config(objective, extractor_mode=mode)).eval()
    lengths = torch.tensor([30_000, 17_777])
    batch = waves(2, 30_000) * (torch.arange(30_000) < lengths[:, None])
    with torch.no_grad():
        states, frames = model.extract(batch, lengths)
        alone, own_frames = model.extract(batch[1:, : lengths[1]])
    assert frames[1] == own_frames[0]
    for together, single in zip(states, alone, strict=True):
        assert_close(together[1, : own_frames[0]], single[0], 1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_padding_is_never_heard(objective: str) -> None:
    """What stands in the padding changes nothing, and no gradient comes from it."""
    torch.manual_seed(0)
    model = build_model(objective, tiny_config(objective)).eval()
    lengths = torch.tensor([30_000, 20_000])
    quiet = waves(2, 30_000) * (torch.arange(30_000) < lengths[:, None])
    loud = quiet + 100 * (torch.arange(30_000) >= lengths[:, None])
    with torch.no_grad():
        (states, frames), (disturbed, _) = model.extract(quiet, lengths), model.extract(loud, lengths)
    assert_close(disturbed[-1][1, : frames[1]], states[-1][1, : frames[1]])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_loss_falls(objective: str) -> None:
    """Thirty updates on one batch; a head that doesn't learn, or a target that isn't one, would stay where it is."""
    torch.manual_seed(0)
    regularisation = {"dropout": 0.0, "attention_dropout": 0.0, "dropout_input": 0.0, "encoder_layerdrop": 0.0}
    model = build_model(objective, tiny_config(objective, conv_feature_layers=NARROW, **regularisation))
    source = waves(2, 16_000)
    fixed = {**inputs(model, source), "mask": draw_mask([49, 49], 0.8, 10)}
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(30):
        loss = model(source, **fixed)
        optimizer.zero_grad()
        (loss.total / loss.frames).backward()
        optimizer.step()
        losses.append(float(loss.total.detach() / loss.frames))
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_terms_add_up_to_the_loss(objective: str) -> None:
    torch.manual_seed(0)
    model = build_model(objective, tiny_config(objective))
    source = waves(2, 16_000)
    loss = model(source, **inputs(model, source))
    terms = [value for name, value in loss.terms.items() if name.startswith("loss_")]
    assert_close(torch.stack(terms).sum(), loss.total)


@pytest.mark.parametrize("scale", [0.0, 0.1, 1.0])
def test_gradient_of_the_convolutions_is_scaled(scale: float) -> None:
    torch.manual_seed(0)
    model = build_model("tera", tiny_config("tera", feature_grad_mult=scale)).eval()
    torch.manual_seed(0)
    whole = build_model("tera", tiny_config("tera", feature_grad_mult=1.0)).eval()
    source, mask = waves(1, 16_000), draw_mask([49], 0.8, 10)
    for network in (model, whole):
        network(source, mask=mask).total.backward()
    weight, reference = (n.feature_extractor.conv_layers[3].get_submodule("0").weight.grad for n in (model, whole))
    if scale == 0:
        assert weight is None
    else:
        assert_close(weight, reference * scale)


def test_distractors_are_other_frames() -> None:
    torch.manual_seed(0)
    drawn = draw_distractors(3, 7, 1000)
    assert drawn.min() == 0
    assert drawn.max() == 6
    assert not (drawn == torch.arange(7)[:, None]).any()
    # every other frame is about equally likely
    counts = torch.stack([(drawn[:, 0] == frame).sum() for frame in range(1, 7)])
    assert counts.min() > 400


def test_convolutions_are_parsed_without_evaluation() -> None:
    assert parse_convolutions(ConvSettings().conv_feature_layers) == LAYERS
    with pytest.raises(ConfigError, match="must be a list of"):
        parse_convolutions("__import__('os').getcwd()")


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"extractor_mode.*encoder_attention_heads.*`model.dropout` must lie"):
        model_config("tera", {"encoder_attention_heads": 7, "extractor_mode": "batch", "dropout": 2.0})


def test_attention_may_begin_as_in_the_batch_size_paper() -> None:
    """Xavier on query, key and value as one matrix with a gain of 1 / sqrt(2), on the output with 1 (paper C)."""
    torch.manual_seed(0)
    model = build_model("wav2vec2", tiny_config("wav2vec2", attention_init="xavier"))
    attention, dim = model.encoder.layers[0].self_attn, model.config.encoder_embed_dim
    together = torch.nn.init.xavier_uniform_(torch.empty(3 * dim, dim), 2**-0.5).abs().max()
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        assert float(projection.weight.detach().abs().max()) == pytest.approx(float(together), rel=0.05)
    assert float(attention.out_proj.weight.detach().abs().max()) == pytest.approx((3 / dim) ** 0.5, rel=0.05)


def test_words_of_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="`model.activation_fn` must be `gelu` or `gelu_accurate`, but is `relu`"):
        validate(tiny_config("hubert", activation_fn="relu"))


def test_projections_in_one_product_are_the_same() -> None:
    """What a GPU computes; its gradients reach each projection."""
    attention, x = SelfAttention(16, 2, 0.0), torch.randn(2, 5, 16)
    found = []
    for at_once in (False, True):
        attention.zero_grad()
        outputs = list(attention._project_at_once(x) if at_once else attention._project(x, None))
        sum((place + 1) * out.square().sum() for place, out in enumerate(outputs)).backward()
        found.append([*outputs, *(p.grad for n, p in attention.named_parameters() if not n.startswith("out_proj"))])
    one_by_one, at_once = found
    for ours, reference in zip(at_once, one_by_one, strict=True):
        assert_close(ours, reference)
