"""Two independent counters find what the closed form says; the gaps are printed per component (``pytest -rP``).

torch's FlopCounterMode counts matrix products and convolutions as they are dispatched, DeepSpeed's FlopsProfiler counts
calls of torch.nn.functional and includes norms and activations, which the convention leaves out.  Both watch a real model on
one utterance with exactly the expected number of masked frames.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from deepspeed.profiling.flops_profiler import FlopsProfiler
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fairseq_budget.arithmetic.flops import forward_flops, hardware_flops, masked_frames
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.bench.profile import grouped_convolution_backward
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.objectives import OBJECTIVES, build_model, model_config, shape_of
from fairseq_budget.recipes import model_settings
from tests.common import waves

TORCH_GAP, DEEPSPEED_GAP = 0.002, 0.01
"""Relative, of the total.  torch differs by the rows that convolutions compute past the end of an utterance (0.08% of the
shortest crop), TERA's targets (0.03%) and wav2vec 2.0's similarities, computed for all pairs instead of 1 + 100 of them.
DeepSpeed adds norms and activations, mostly the convolutions' (0.2%)."""

SHORTEST, MIDDLE, MEDIAN = 32_000, 80_000, 222_000
"""Samples: the shortest crop of the paper, 5 s, and the crop that stands for all in a plan."""

FAST = ("30", "slim")
CASES = [
    *((size, samples) for size in FAST for samples in (SHORTEST, MIDDLE)),
    *(
        pytest.param(size, samples, marks=pytest.mark.slow)
        for size in SIZES
        for samples in (SHORTEST, MIDDLE, MEDIAN)
        if (size not in FAST and samples != MEDIAN) or (size == "slim" and samples == MEDIAN)
    ),
]


def torch_counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: grouped_convolution_backward})


def example(objective: str, size: str, samples: int) -> tuple[SpeechEncoder, dict[str, Tensor]]:
    """A model of the recipes, without dropping layers, and what its forward pass takes."""
    shape = shape_of(objective, SIZES[size])
    torch.manual_seed(0)
    settings = {**model_settings(objective, size), "encoder_layerdrop": 0.0, "mask_prob": shape.mask_prob}
    model = build_model(objective, model_config(objective, settings))
    assert model.model_shape == shape, "a plan counts the shape that is trained"
    frames = shape.frames(samples)
    mask = torch.arange(frames)[None] < masked_frames(frames, shape.mask_prob, shape.mask_length)
    inputs = {"source": waves(1, samples), "mask": mask}
    if objective == "hubert":
        inputs["target"] = torch.zeros(1, frames, dtype=torch.long)
    return model, inputs


def count_with_torch(model: SpeechEncoder, inputs: dict[str, Tensor]) -> tuple[dict[str, int], int]:
    """FLOPs of a forward pass by component, and of forward and backward together."""
    # a fused attention isn't counted on the CPU
    with torch_counter() as counter, sdpa_kernel(SDPBackend.MATH):
        loss = model(**inputs).total
        counts = {name.partition(".")[2]: dict(ops) for name, ops in counter.get_flop_counts().items()}
        components = {
            "convolutions": sum(counts["feature_extractor"].values()),
            "projection": sum(counts.get("post_extract_proj", {}).values()),
            "positional": sum(counts["encoder.pos_conv"].values()),
            "linear": 0,
            "attention": 0,
            "targets": sum(counts.get("mfcc", {}).values()),
        }
        for layer in range(len(model.encoder.layers)):
            for operation, flops in counts[f"encoder.layers.{layer}"].items():
                components["attention" if operation == torch.ops.aten.bmm else "linear"] += flops
        components["head"] = counter.get_total_flops() - sum(components.values())
        loss.backward()
        return components, counter.get_total_flops()


def count_with_deepspeed(model: SpeechEncoder, inputs: dict[str, Tensor]) -> dict[str, int]:
    """FLOPs of a forward pass by component."""
    profiler = FlopsProfiler(model)
    profiler.start_profile()
    with torch.no_grad():
        model(**inputs)
    components: Counter[str] = Counter()
    for name, module in model.named_modules():
        # of a module itself, without its children
        components[_component(name)] += module.__flops__
    profiler.end_profile()
    return dict(components)


def _component(module: str) -> str:
    prefixes = {
        "feature_extractor": "convolutions",
        "post_extract_proj": "projection",
        "encoder.pos_conv": "positional",
        "encoder.layers": "attention" if module.endswith("self_attn") else "linear",
        "mfcc": "targets",
    }
    return next((component for prefix, component in prefixes.items() if module.startswith(prefix)), "head")


def print_gaps(title: str, ours: dict[str, int], **witnesses: dict[str, int]) -> None:
    """Per component: the closed form, and how far each witness is from it, in percent of the total."""
    table = Table("component", "closed form", *witnesses, title=title)
    total = sum(ours.values())
    for component in [*ours, "targets"]:
        own = ours.get(component, 0)
        gaps = [f"{100 * (counts.get(component, 0) - own) / total:+.3f}%" for counts in witnesses.values()]
        table.add_row(component, f"{own:.4e}", *gaps)
    gaps = [f"{100 * (sum(counts.values()) / total - 1):+.3f}%" for counts in witnesses.values()]
    table.add_row("total", f"{total:.4e}", *gaps)
    Console(width=100).print(table)


@pytest.mark.parametrize(("size", "samples"), CASES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_closed_form_has_two_witnesses(objective: str, size: str, samples: int) -> None:
    model, inputs = example(objective, size, samples)
    ours = forward_flops(model.model_shape, samples)
    forward, both = count_with_torch(model, inputs)
    deepspeed = count_with_deepspeed(model, inputs)
    expected = hardware_flops(model.model_shape, [samples], model.encoder.layers_run)
    print_gaps(f"{objective} {size}, {samples} samples, forward", ours, torch=forward, deepspeed=deepspeed)
    print(f"forward and backward: closed form {expected:.4e}, torch {100 * (both / expected - 1):+.3f}%")
    assert sum(forward.values()) == pytest.approx(sum(ours.values()), rel=TORCH_GAP)
    assert both == pytest.approx(expected, rel=TORCH_GAP)
    assert sum(deepspeed.values()) == pytest.approx(sum(ours.values()), rel=DEEPSPEED_GAP)


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
