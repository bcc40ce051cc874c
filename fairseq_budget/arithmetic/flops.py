"""FLOPs of a batch, in closed form.

Two figures.  **Model FLOPs** are the comparable ones: what the whole model costs on the audio that was heard.  Convention
(id :data:`CONVENTION`): a multiply-accumulate is 2 FLOPs; only matrix products and convolutions count; a training step is
three times its forward pass.  This is Chinchilla's (Hoffmann et al. 2022, appendix F) and that of Liu et al. 2024, whose
published update counts it reproduces (tested in ``tests/unit/arithmetic/test_plan.py``).  **Hardware FLOPs** are those
executed, as in a machine's utilisation (Chowdhery et al. 2022, "PaLM", appendix B, draw the same line).

Each component has a phase: what is trained runs forward and backward; a front end that isn't trained (mel filters) and what
only makes targets (a frozen quantizer, a teacher) run forward once.

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
OF_THE_OBJECTIVE = frozenset({"head", "targets"})
"""Components of :func:`forward_flops` that an upstream doesn't run."""


def passes(shape: ModelShape, component: str) -> int:
    """How often a training step pays for a component's forward pass."""
    fixed = component == "targets" or (component == shape.frontend.component and not shape.frontend.learns)
    return 1 if fixed or component in shape.frozen else BACKWARD_AND_FORWARD


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

    - `convolutions` or `filters`: the front end's (``cost.py`` in its folder)
    - `projection`: ``2 * T * w * d`` for frames of w values
    - `positional`: ``2 * T * d * (d / groups) * kernel``
    - `linear`: for each layer the four attention projections and the feed-forward, ``2 * T * (4 d d + 2 d f)``
    - `attention`: for each layer the two products, ``2 * 2 * T * T * d``
    - `head`: what the objective adds on the M masked frames, or on all
    - `targets`: what it computes to have something to predict
    """
    frontend, dim = shape.frontend, shape.dim
    frames = frontend.frames(samples)
    masked = masked_frames(frames, shape.mask_prob, shape.mask_length)
    scored = frames if shape.head.scores_every_frame else masked
    return {
        frontend.component: frontend.flops(samples),
        "projection": 2 * frames * frontend.width * dim if frontend.width != dim else 0,
        "positional": 2 * frames * dim * (dim // shape.pos_groups) * shape.pos_kernel,
        "linear": shape.layers * 2 * frames * (4 * dim * dim + 2 * dim * shape.ffn),
        "attention": shape.layers * 4 * frames * frames * dim,
        "head": shape.head.flops(shape, scored),
        "targets": shape.head.target_flops(shape, samples, masked),
    }


def training_flops(shape: ModelShape, samples: Iterable[int]) -> int:
    """Model FLOPs of a training step on utterances of so many samples each (after cropping, without padding)."""
    return sum(passes(shape, name) * flops for length in samples for name, flops in forward_flops(shape, length).items())


def encoder_flops(shape: ModelShape, samples: int, trained: bool = False) -> int:
    """FLOPs of one utterance through the encoder alone, as an upstream runs it: forward, and if it is trained backward."""
    return sum(
        flops * (passes(shape, name) if trained else 1)
        for name, flops in forward_flops(shape, samples).items()
        if name not in OF_THE_OBJECTIVE
    )


def hardware_flops(
    shape: ModelShape,
    samples: Iterable[int],
    layers_run: int,
    recomputed: Collection[str] = (),
    frontend_learns: bool = True,
) -> int:
    """FLOPs that a training step executes on rows of so many samples each, padding included.

    Unlike model FLOPs: Transformer layers that LayerDrop skipped don't count; components that are recomputed in the backward
    pass (activation checkpointing) count four times; of the front end's backward pass only what is executed counts.  Where
    it isn't trained, or no gradient reaches it (`feature_grad_mult` = 0), nothing of it does, and the products with its
    frames have one product in their backward pass.

    Args:
        samples: of each row, with padding.
        layers_run: Transformer layers that were run.
        recomputed: names of components of :func:`forward_flops`.
        frontend_learns: whether gradients reach the front end.
    """
    executed = replace(shape, layers=layers_run)
    return sum(_executed_flops(executed, length, frozenset(recomputed), frontend_learns) for length in samples)


@lru_cache(maxsize=65536)
def _executed_flops(shape: ModelShape, samples: int, recomputed: frozenset[str], frontend_learns: bool) -> int:
    frontend, components = shape.frontend, forward_flops(shape, samples)
    others = {name: flops for name, flops in components.items() if name != frontend.component}
    again = {name for name in recomputed if passes(shape, name) == BACKWARD_AND_FORWARD}
    total = sum((passes(shape, name) + (name in again)) * flops for name, flops in others.items())
    total += components[frontend.component]
    if "linear" in shape.frozen:  # the head's input needs no gradient
        total -= components["head"]
    if not (frontend_learns and frontend.learns) or frontend.component in shape.frozen:
        masked = masked_frames(frontend.frames(samples), shape.mask_prob, shape.mask_length)
        projection = 0 if "projection" in shape.frozen else components["projection"]
        return total - projection - shape.head.flops_on_frames(shape, masked)
    once_more = components[frontend.component] if frontend.component in again else 0
    return total + frontend.backward_flops(samples) + once_more
