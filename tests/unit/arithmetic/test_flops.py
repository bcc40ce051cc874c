"""Properties of the closed form; test_witnesses.py compares it with two counters, test_plan.py with published counts."""

import pytest

from fairseq_budget.arithmetic.flops import BACKWARD_AND_FORWARD, forward_flops, masked_frames, training_flops
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import SIZES


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
