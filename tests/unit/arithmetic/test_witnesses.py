"""Two independent counters find what the closed form says; the gaps are printed per component (``pytest -rP``)."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fairseq_budget.arithmetic.flops import masked_frames
from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.bench.witnesses import count, torch_counter
from fairseq_budget.bench.workload import Workload
from fairseq_budget.cli.bench_tables import print_flops
from fairseq_budget.frontends import FRONTENDS
from fairseq_budget.objectives import OBJECTIVES, model_config, shape_of
from fairseq_budget.objectives.wav2vec2.defaults import Wav2Vec2Config
from fairseq_budget.recipes import model_settings

TORCH_GAP, DEEPSPEED_GAP = 0.002, 0.01
"""Relative, of the total.  torch differs by the rows that convolutions compute past the end of an utterance (0.08% of the
shortest crop) and TERA's targets (0.03%).
DeepSpeed adds norms and activations, mostly the convolutions' (0.2%), or a mini size's (0.5%)."""
EXACT = 1e-12
"""From mel frames torch sees what the closed form says, FLOP by FLOP."""

SHORTEST, MIDDLE, MEDIAN = 32_000, 80_000, 222_000
"""Samples: the shortest crop of the paper, 5 s, and the crop that stands for all in a plan."""

FAST = {("conv", "slim", SHORTEST), *product(("mel",), ("0.05", "30"), (SHORTEST,))}
"""From mel frames every product is seen, however small its share; the length is the same letter of every formula."""
ALL = {*product(FRONTENDS, SIZES, (SHORTEST, MIDDLE)), *product(FRONTENDS, ("slim",), (MEDIAN,))}
CASES = [*sorted(FAST), *(pytest.param(*case, marks=pytest.mark.slow) for case in sorted(ALL - FAST))]


def recipe(objective: str, size: str, frontend: str) -> ModelConfig:
    config = model_config(objective, {**model_settings(objective, size), "frontend": frontend})
    assert config.shape() == shape_of(objective, SIZES[size], frontend=frontend), "a plan counts the shape that is trained"
    return config


def all_pairs(config: ModelConfig, samples: int) -> int:
    """wav2vec 2.0's similarities are computed for all pairs of masked frames, of which 1 + 100 of each count."""
    if not isinstance(config, Wav2Vec2Config):
        return 0
    masked = masked_frames(config.shape().frames(samples), config.mask_prob, config.mask_length)
    return 2 * masked * (masked - 1 - config.num_negatives) * config.final_dim


@pytest.mark.parametrize(("frontend", "size", "samples"), CASES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_closed_form_has_two_witnesses(objective: str, frontend: str, size: str, samples: int) -> None:
    config = recipe(objective, size, frontend)
    found, more = count(config, samples), all_pairs(config, samples)
    print_flops(Console(width=100), Workload(objective, size, "fp32", 1, samples, "cpu", frontend=frontend), found)
    total, gap = sum(found.closed_form.values()), TORCH_GAP if frontend == "conv" else EXACT
    assert sum(found.torch.values()) == pytest.approx(total + more, rel=gap)
    assert found.torch_executed == pytest.approx(found.executed + 3 * more, rel=gap)
    assert sum(found.deepspeed.values()) == pytest.approx(total + more, rel=DEEPSPEED_GAP)


def test_torch_forgets_the_groups() -> None:
    """torch counts the gradient of a grouped convolution's weight as if there were one group; the correction doesn't."""

    def backward(counter: FlopCounterMode, convolve: Any) -> int:
        x, weight = torch.randn(1, 16, 50, requires_grad=True), torch.randn(16, 4, 5, requires_grad=True)
        y = convolve(x, weight)
        with counter:
            y.sum().backward()
        return counter.get_total_flops()

    def grouped(x: Tensor, weight: Tensor) -> Tensor:
        return F.conv1d(x, weight, groups=4)

    def apart(x: Tensor, weight: Tensor) -> Tensor:
        return torch.cat([F.conv1d(*pair) for pair in zip(x.chunk(4, 1), weight.chunk(4, 0), strict=True)], 1)

    right = backward(torch_counter(), apart)
    assert backward(torch_counter(), grouped) == right
    assert backward(FlopCounterMode(display=False), apart) == right
    assert backward(FlopCounterMode(display=False), grouped) == right // 2 * (1 + 4)
