"""FLOPs by the closed form beside those that two independent counters see.

torch's FlopCounterMode counts matrix products and convolutions as they are dispatched, DeepSpeed's FlopsProfiler counts
calls of torch's functions and includes norms and activations, which the convention leaves out.  Both watch a real model on
one utterance with exactly the expected number of masked frames.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import torch
from deepspeed.profiling.flops_profiler import FlopsProfiler
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fairseq_budget.arithmetic.flops import forward_flops, hardware_flops, masked_frames, training_flops
from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.bench.profile import grouped_convolution_backward
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.objectives import build_model
from fairseq_budget.planning.steps import inputs_of, noise_batch


@dataclass(frozen=True)
class Witnesses:
    """FLOPs on one utterance.  The first three: of a forward pass, by component."""

    closed_form: dict[str, int]
    torch: dict[str, int]
    deepspeed: dict[str, int]
    training: int
    """Model FLOPs of a training step: what the ledger charges."""
    executed: int
    """What a training step executes, by the closed form."""
    torch_executed: int
    """What torch's counter sees of it."""


def count(config: ModelConfig, samples: int) -> Witnesses:
    """Build the model without LayerDrop, show it an utterance of so many samples, and compare."""
    torch.manual_seed(0)
    config = replace(config, encoder_layerdrop=0.0)
    model = build_model(config.objective, config)
    model.encoder.pos_conv.literally()
    shape = model.model_shape
    inputs = example(model, samples)
    forward, both = count_with_torch(model, inputs)
    return Witnesses(
        closed_form=forward_flops(shape, samples),
        torch=forward,
        deepspeed=count_with_deepspeed(model, inputs),
        training=training_flops(shape, [samples]),
        executed=hardware_flops(shape, [samples], shape.layers, frontend_learns=config.feature_grad_mult > 0),
        torch_executed=both,
    )


def example(model: SpeechEncoder, samples: int) -> dict[str, Tensor]:
    """What the forward pass takes of one utterance, with as many masked frames as the closed form expects."""
    shape = model.model_shape
    masked = masked_frames(shape.frames(samples), shape.mask_prob, shape.mask_length)
    mask = torch.arange(shape.frames(samples))[None] < masked
    return {**inputs_of(shape.objective, noise_batch(shape, 1, samples, seed=0)), "mask": mask}


def torch_counter() -> FlopCounterMode:
    """torch's counter with a grouped convolution's backward pass put right."""
    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: grouped_convolution_backward})


def count_with_torch(model: SpeechEncoder, inputs: dict[str, Tensor]) -> tuple[dict[str, int], int]:
    """FLOPs of a forward pass by component, and of forward and backward together."""
    components: Counter[str] = Counter()
    # a fused attention isn't counted on the CPU
    with torch_counter() as counter, sdpa_kernel(SDPBackend.MATH):
        loss = model(**inputs).total
        by_module = {name.partition(".")[2]: dict(ops) for name, ops in counter.get_flop_counts().items()}
        for name in _parts(model):
            for operation, flops in by_module.get(name, {}).items():
                components[component_of(model, name, operation == torch.ops.aten.bmm)] += flops
        components["head"] = counter.get_total_flops() - sum(flops for name, flops in components.items() if name != "head")
        loss.backward()
        return dict(components), counter.get_total_flops()


def _parts(model: SpeechEncoder) -> list[str]:
    """Modules none of which is part of another: those of the model, and of the encoder each layer."""
    layers = [f"encoder.layers.{number}" for number in range(len(model.encoder.layers))]
    return [*(name for name, _ in model.named_children() if name != "encoder"), "encoder.pos_conv", *layers]


def count_with_deepspeed(model: SpeechEncoder, inputs: dict[str, Tensor]) -> dict[str, int]:
    """FLOPs of a forward pass by component."""
    profiler = FlopsProfiler(model)
    profiler.start_profile()
    with torch.no_grad():
        model(**inputs)
    components: Counter[str] = Counter()
    for name, module in model.named_modules():
        # of a module itself, without its children
        components[component_of(model, name, name.endswith("self_attn"))] += module.__flops__
    profiler.end_profile()
    return dict(components)


def component_of(model: SpeechEncoder, module: str, is_attention: bool) -> str:
    """The component of the closed form that a module belongs to; what has no parameters and no frames makes targets."""
    top = module.partition(".")[0]
    if module.startswith("encoder.layers"):
        return "attention" if is_attention else "linear"
    known = {
        "feature_extractor": model.model_shape.frontend.component,
        "post_extract_proj": "projection",
        "encoder": "positional",
    }
    if top in known:
        return known[top]
    makes_targets = bool(top) and not any(True for _ in model.get_submodule(top).parameters())
    return "targets" if makes_targets else "head"
