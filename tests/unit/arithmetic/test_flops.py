"""Properties of the closed form; test_witnesses.py compares it with two counters, test_plan.py with published counts."""

from dataclasses import replace

import pytest

from fairseq_budget.arithmetic.flops import (
    BACKWARD_AND_FORWARD,
    forward_flops,
    hardware_flops,
    masked_frames,
    training_flops,
)
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.objectives import shape_of


def test_a_step_is_three_forward_passes_of_every_utterance() -> None:
    shape = shape_of("tera", SIZES["slim"])
    one, two = (sum(forward_flops(shape, samples).values()) for samples in (32_000, 64_000))
    assert training_flops(shape, [32_000, 64_000, 64_000]) == BACKWARD_AND_FORWARD * (one + 2 * two)


def test_masked_frames_are_those_that_wav2vec2_reports() -> None:
    """Baevski et al. 2020, section 4.1: p = 0.065 with spans of 10 masks about 49% of the frames."""
    assert masked_frames(800, 0.65, 10) / 800 == pytest.approx(0.49, abs=0.01)


def test_hardware_flops_are_what_runs() -> None:
    """Padding and recomputation are executed; skipped layers and gradients that nobody asks for aren't."""
    shape = shape_of("hubert", SIZES["slim"])
    parts = forward_flops(shape, 32_000)
    plain = hardware_flops(shape, [32_000], shape.layers)
    # the first convolution has no gradient of its input; with group norm its output is computed again instead
    assert plain == training_flops(shape, [32_000])
    first = 2 * ((32_000 - 10) // 5 + 1) * 512 * 10
    layer_norm = replace(shape, frontend=replace(shape.frontend, layer_norm=True))
    assert hardware_flops(layer_norm, [32_000], shape.layers) == plain - first
    assert hardware_flops(shape, [32_000] * 2, shape.layers) == 2 * plain
    per_layer = 3 * (parts["linear"] + parts["attention"]) // shape.layers
    assert hardware_flops(shape, [32_000], shape.layers - 2) == plain - 2 * per_layer
    assert hardware_flops(shape, [32_000], shape.layers, {"linear", "convolutions"}) == (
        plain + parts["linear"] + parts["convolutions"]
    )
    assert hardware_flops(shape, [32_000], shape.layers, frontend_learns=False) == (
        training_flops(shape, [32_000]) - 2 * parts["convolutions"] - parts["projection"]
    )


def test_frames_and_shortest_crop() -> None:
    shape = shape_of("hubert", SIZES["slim"])
    assert shape.stride == 320
    assert shape.frames(shape.shortest_crop) == 1
    assert shape.frames(shape.shortest_crop - 1) == 0
