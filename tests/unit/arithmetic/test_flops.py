"""The closed form agrees with the published update counts and with two independent counters."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fairseq_budget.arithmetic.flops import BACKWARD_AND_FORWARD, forward_flops, masked_frames, training_flops
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import OBJECTIVES, SIZES
from fairseq_budget.modules.objectives import build_model
from tests.common import tiny_config, waves

MEDIAN_CROP = 222_000  # 13.9 s, see the budget's decomposition in Liu et al. 2024's released configurations

# updates that 1.33e18 FLOPs buy, relative to 400,000 of Slim
PUBLISHED_UPDATES = {"30": 550_070, "50": 499_953, "70": 454_811, "200": 297_370, "base": 187_222, "large": 72_234}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", PUBLISHED_UPDATES)
def test_published_update_counts_come_out(objective: str, name: str) -> None:
    slim, other = (training_flops(ModelShape.of(objective, SIZES[size]), [MEDIAN_CROP]) for size in ("slim", name))
    assert 400_000 * slim / other == pytest.approx(PUBLISHED_UPDATES[name], rel=0.02)


def test_hubert_update_counts_to_half_a_percent() -> None:
    """HuBERT's shapes alone differ only in the row, so its counts have to be the published ones."""
    slim = training_flops(ModelShape.of("hubert", SIZES["slim"]), [MEDIAN_CROP])
    for name, updates in PUBLISHED_UPDATES.items():
        size = SIZES[name]
        cost = training_flops(ModelShape.of("hubert", size, layer_norm_extractor=False), [MEDIAN_CROP])
        assert 400_000 * slim / cost == pytest.approx(updates, rel=0.005), name


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_torch_counts_the_same(objective: str) -> None:
    """Forward and backward under torch's dispatcher, within 2%: it also counts what the convention leaves out."""
    torch.manual_seed(0)
    model = build_model(objective, tiny_config(encoder_layerdrop=0.0, dropout=0.0, attention_dropout=0.0))
    source = waves(2, 48_000)
    inputs = {"target": torch.zeros(2, 150, dtype=torch.long)} if objective == "hubert" else {}
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(source, **inputs).total.backward()
    ours = training_flops(model.model_shape, [48_000] * 2)
    # the waveform needs no gradient: the first convolution's backward pass is one product, not two
    ours -= forward_flops_of_first_convolution(model.model_shape, 48_000) * 2
    assert counter.get_total_flops() == pytest.approx(ours, rel=0.02)


def forward_flops_of_first_convolution(shape: ModelShape, samples: int) -> int:
    channels, kernel, stride = shape.conv_layers[0]
    return 2 * ((samples - kernel) // stride + 1) * channels * kernel


def test_a_step_is_three_forward_passes_of_every_utterance() -> None:
    shape = ModelShape.of("tera", SIZES["slim"])
    one, two = (sum(forward_flops(shape, samples).values()) for samples in (32_000, 64_000))
    assert training_flops(shape, [32_000, 64_000, 64_000]) == BACKWARD_AND_FORWARD * (one + 2 * two)


def test_masked_frames_are_those_that_wav2vec2_reports() -> None:
    """Baevski et al. 2020, section 4.1: p = 0.065 with spans of 10 masks about 49% of the frames."""
    assert masked_frames(800, 0.65, 10) / 800 == pytest.approx(0.49, abs=0.01)


def test_frames_and_shortest_crop() -> None:
    shape = ModelShape.of("hubert", SIZES["slim"])
    assert shape.stride == 320
    assert shape.frames(shape.shortest_crop) == 1
    assert shape.frames(shape.shortest_crop - 1) == 0
