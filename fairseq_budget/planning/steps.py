"""A training step of this project's models on noise, phase by phase: what the probe and the benchmarks time.

Letters: B utterances, S samples, F frames.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import SIZES, Size
from fairseq_budget.data.labels import SPECIAL_SYMBOLS
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.kernels.memory import keep_freed_memory
from fairseq_budget.objectives import build_model, get_objective
from fairseq_budget.planning.half_precision import HalfPrecision
from fairseq_budget.planning.machine import PRECISIONS, Stopwatch


@dataclass(frozen=True)
class Batch:
    """Equally long utterances.  Shape: source (B, S), labels (B, F), a cluster for each frame (0 without labels)."""

    source: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(self.source.to(device), self.labels.to(device))


def noise_batch(shape: ModelShape, utterances: int, samples: int, seed: int) -> Batch:
    """Noise with random labels: a step takes as long as with speech.  The same seed gives the same batch."""
    generator = torch.Generator().manual_seed(seed)
    source = 0.1 * torch.randn(utterances, samples, generator=generator)
    size = (utterances, shape.frames(samples))
    if not shape.head.labels:
        return Batch(source, torch.zeros(size, dtype=torch.long))
    return Batch(source, torch.randint(len(SPECIAL_SYMBOLS), shape.head.labels, size, generator=generator))


def batch_flops(shape: ModelShape, batch: Batch) -> int:
    """Model FLOPs of a training step on a batch."""
    utterances, samples = batch.source.shape
    return utterances * training_flops(shape, [samples])


def size_config(objective: str, size: Size, frontend: str = DEFAULT) -> ModelConfig:
    """The recipe's settings for a row of the size table; a shape of one's own is regularised as Slim is."""
    chosen = get_objective(objective)
    regularised = size if size.name in SIZES else replace(size, regularised=SIZES["slim"].regularised)
    return chosen.model_config({**chosen.settings(regularised), "frontend": frontend})


def inputs_of(objective: str, batch: Batch) -> dict[str, Tensor]:
    """What the model of an objective takes of a batch."""
    labels = {"target": batch.labels} if get_objective(objective).needs_labels else {}
    return {"source": batch.source, **labels}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Products in bf16, where that is the precision."""
    return torch.autocast(device.type, PRECISIONS["bf16"], enabled=precision == "bf16")


@dataclass(frozen=True)
class Phases:
    """Seconds of a step: the loss, its gradients, and what is done with them."""

    forward: float
    backward: float
    optimizer: float

    @property
    def step(self) -> float:
        return self.forward + self.backward + self.optimizer

    @staticmethod
    def median(steps: list[Phases]) -> Phases:
        """Each phase's median."""
        return Phases(*(median(getattr(step, name) for step in steps) for name in ("forward", "backward", "optimizer")))


class TrainingSteps:
    """A fresh model that learns from noise, with Adam as in the recipes (fairseq's decouples its weight decay, too).

    In bf16 products are computed by autocast and parameters stay in fp32, in fp16 the model is half: as the recipes'
    devices train.
    """

    def __init__(self, objective: str, config: ModelConfig, device: torch.device, precision: str) -> None:
        self.objective, self.device, self.precision = objective, device, precision
        if device.type == "cpu":
            keep_freed_memory()  # as training does
        self.model = build_model(objective, config).to(device).train()
        self.half = HalfPrecision(self.model) if precision == "fp16" else None
        learnt = self.half.masters if self.half else self.model.parameters()
        self.optimizer = torch.optim.AdamW(learnt, lr=1e-5, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)

    @property
    def shape(self) -> ModelShape:
        return self.model.model_shape

    def step(self, batch: Batch) -> Phases:
        """One update, timed."""
        return timed_step(self.device, lambda: self.loss(batch), self._update)

    def loss(self, batch: Batch) -> Tensor:
        """Shape: -> ()"""
        if self.half:
            batch = replace(batch, source=batch.source.half())
        with autocast(self.device, self.precision):
            loss = self.model(**inputs_of(self.objective, batch))
        mean = loss.total / loss.frames
        return self.half.scale(mean) if self.half else mean

    def _update(self) -> None:
        if self.half:
            self.half.update(self.optimizer)
        else:
            self.optimizer.step()
        self.optimizer.zero_grad()


def timed_step(
    device: torch.device,
    forward: Callable[[], Tensor],
    update: Callable[[], None],
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> Phases:
    """The three phases of a step, one after the other."""
    watch = Stopwatch(device)
    watch.mark()
    loss = forward()
    watch.mark()
    backward(loss)
    watch.mark()
    update()
    watch.mark()
    return Phases(*watch.seconds())
