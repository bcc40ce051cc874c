"""Losses and gradients of every objective on the device in each precision, beside those of the CPU in fp32."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.bench.gpu.observation import Observation, Target
from fairseq_budget.objectives import OBJECTIVES, build_model
from fairseq_budget.planning.steps import autocast, inputs_of, noise_batch, size_config

LIMITS = {"fp32": (1e-3, 1e-4), "bf16": (2e-2, 5e-2), "fp16": (1e-2, 1e-2)}
"""Of each precision: relative difference of the loss, and 1 - cosine of the gradients.  fp32's leaves room for
TensorFloat-32, which convolutions on a GPU use by default; bf16's for wav2vec 2.0's choice of codewords."""
UTTERANCES, SECONDS = 2, 2


def numbers(target: Target) -> Iterator[Observation]:
    """Without dropout, so that the devices' random numbers don't matter."""
    for objective in OBJECTIVES:
        loss, gradient = _computed(objective, target.size, torch.device("cpu"), "fp32")
        for precision in target.precisions:
            other, direction = _computed(objective, target.size, target.device, precision)
            of_loss = abs(other - loss) / abs(loss)
            of_gradient = 1 - float(torch.cosine_similarity(gradient, direction, dim=0))
            limits = LIMITS[precision]
            yield Observation(
                f"{objective} {precision}",
                f"loss {of_loss:.1e}, gradients {of_gradient:.1e} off",
                f"{limits[0]:.0e}, {limits[1]:.0e}",
                of_loss <= limits[0] and of_gradient <= limits[1],
            )


def _computed(objective: str, size: str, device: torch.device, precision: str) -> tuple[float, Tensor]:
    """Loss of a masked frame, and all gradients.  Shape: -> (parameters,) float64 on the CPU."""
    torch.manual_seed(0)
    model = build_model(objective, size_config(objective, SIZES[size])).to(device).eval()
    batch = noise_batch(model.model_shape, UTTERANCES, SECONDS * SAMPLE_RATE, seed=0).to(device)
    torch.manual_seed(0)
    with autocast(device, precision):
        loss = model(**inputs_of(objective, batch))
    mean = loss.total / loss.frames
    mean.backward()
    gradients = [p.grad.double().flatten().cpu() for p in model.parameters() if p.grad is not None]
    return float(mean.detach()), torch.cat(gradients)
