"""FLOPs of a batch, in closed form.

Two figures.  **Model FLOPs** are the comparable ones: what the whole model costs on the audio that was heard.  Convention
(id :data:`CONVENTION`): a multiply-accumulate is 2 FLOPs; only matrix products and convolutions count; a training step is
three times its forward pass.  This is Chinchilla's (Hoffmann et al. 2022, appendix F) and that of Liu et al. 2024, whose
published update counts it reproduces (tested in ``tests/unit/arithmetic/test_plan.py``).  **Hardware FLOPs** are those
executed, as in a machine's utilisation (Chowdhery et al. 2022, "PaLM", appendix B, draw the same line).

Each component has a phase: what is trained runs forward and backward, what only makes targets (a frozen quantizer, a
teacher) runs forward once.

Letters: T frames, d model width, f feed-forward width, M masked frames.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import lru_cache

from fairseq_budget.arithmetic.shape import ModelShape

CONVENTION = "2xMAC, matrix products and convolutions, forward x 3"
BACKWARD_AND_FORWARD = 3
"""The backward pass of a matrix product is two of the same size."""
FORWARD_ONLY = frozenset({"targets"})
"""Components of :func:`forward_flops` without a backward pass."""
ENCODER = ("convolutions", "projection", "positional", "linear", "attention")
"""Components that a frozen upstream runs: all but the objective's."""


def passes(component: str) -> int:
    """How often a training step pays for a component's forward pass."""
    return 1 if component in FORWARD_ONLY else BACKWARD_AND_FORWARD


def masked_frames(frames: int, mask_prob: float, mask_length: int) -> int:
    """Expected number of masked frames of an utterance.

    ``n = mask_prob * T / span`` span starts are drawn without replacement from ``N = T - span`` places (Baevski et al.
    2020, section 4.1); a frame stays unmasked when none of the `span` places before it was drawn:
    ``M = T * (1 - (1 - n / N) ** span)``.
    """
    places = frames - mask_length
    if places <= 0:
        return frames
    unmasked = max(0.0, 1 - mask_prob * frames / mask_length / places) ** mask_length
    return round(frames * (1 - unmasked))


@lru_cache(maxsize=65536)
def forward_flops(shape: ModelShape, samples: int) -> dict[str, int]:
    """FLOPs of one utterance's forward pass, by component.

    - `convolutions`: ``2 * T_l * C_out * C_in * K`` for each layer l
    - `projection`: ``2 * T * 512 * d``
    - `positional`: ``2 * T * d * (d / groups) * kernel``
    - `linear`: for each layer the four attention projections and the feed-forward, ``2 * T * (4 d d + 2 d f)``
    - `attention`: for each layer the two products, ``2 * 2 * T * T * d``
    - `head`: what the objective adds on the M masked frames
    - `targets`: what it computes to have something to predict
    """
    convolutions, channels_in, steps = 0, 1, samples
    for channels, kernel, stride in shape.conv_layers:
        steps = (steps - kernel) // stride + 1
        convolutions += 2 * max(steps, 0) * channels * channels_in * kernel
        channels_in = channels
    frames, dim = max(steps, 0), shape.dim
    masked = masked_frames(frames, shape.mask_prob, shape.mask_length)
    return {
        "convolutions": convolutions,
        "projection": 2 * frames * shape.conv_dim * dim if shape.conv_dim != dim else 0,
        "positional": 2 * frames * dim * (dim // shape.pos_groups) * shape.pos_kernel,
        "linear": shape.layers * 2 * frames * (4 * dim * dim + 2 * dim * shape.ffn),
        "attention": shape.layers * 4 * frames * frames * dim,
        "head": shape.head.flops(shape, masked),
        "targets": shape.head.target_flops(shape, samples, masked),
    }


def training_flops(shape: ModelShape, samples: Iterable[int]) -> int:
    """Model FLOPs of a training step on utterances of so many samples each (after cropping, without padding)."""
    return sum(passes(name) * flops for length in samples for name, flops in forward_flops(shape, length).items())


def encoder_flops(shape: ModelShape, samples: int) -> int:
    """FLOPs of one utterance's forward pass through the encoder alone, as an upstream runs it."""
    components = forward_flops(shape, samples)
    return sum(components[name] for name in ENCODER)


def hardware_flops(
    shape: ModelShape,
    samples: Iterable[int],
    layers_run: int,
    recomputed: Collection[str] = (),
    convolutions_learn: bool = True,
) -> int:
    """FLOPs that a training step executes on rows of so many samples each, padding included.

    Unlike model FLOPs: Transformer layers that LayerDrop skipped don't count; components that are recomputed in the backward
    pass (activation checkpointing) count four times; the waveform needs no gradient, so the backward pass of the first
    convolution is one product, and with group norm (`kernels/first_convolution.py`) its output once more; convolutions that
    don't learn (`feature_grad_mult` = 0) have no backward pass.

    Args:
        samples: of each row, with padding.
        layers_run: Transformer layers that were run.
        recomputed: names of components of :func:`forward_flops`.
        convolutions_learn: whether gradients reach the convolutions.
    """
    executed = replace(shape, layers=layers_run)
    return sum(_executed_flops(executed, length, frozenset(recomputed), convolutions_learn) for length in samples)


@lru_cache(maxsize=65536)
def _executed_flops(shape: ModelShape, samples: int, recomputed: frozenset[str], convolutions_learn: bool) -> int:
    components = forward_flops(shape, samples)
    total = sum((passes(name) + (name in recomputed)) * flops for name, flops in components.items())
    if not convolutions_learn:
        return total - (BACKWARD_AND_FORWARD - 1 + ("convolutions" in recomputed)) * components["convolutions"]
    if not shape.layer_norm_extractor:
        return total
    channels, kernel, stride = shape.conv_layers[0]
    return total - 2 * ((samples - kernel) // stride + 1) * channels * kernel
