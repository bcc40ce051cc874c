"""What can be timed: something that makes a training step of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from fairseq.optim import FairseqOptimizer, FP16Optimizer, build_optimizer
from omegaconf import OmegaConf
from torch import Tensor, nn

from fairseq_budget.bench.workload import Workload
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.planning.machine import PRECISIONS
from fairseq_budget.planning.steps import Batch, Phases, autocast, timed_step


@dataclass(frozen=True)
class MaskedBatch:
    """A batch whose masks are drawn before the step.  Shape: mask (B, F) bool with `masked` true ones."""

    batch: Batch
    mask: Tensor
    masked: int


class Implementation(ABC):
    """A model in training mode with the recipe's Adam and clipping, which are fairseq's own for every implementation.

    In half precision it either computes under autocast, with parameters in fp32, or `casts`: the whole model is in half
    precision beside an fp32 copy of its parameters, as fairseq trains with `common.fp16` and `common.bf16`.
    """

    name: ClassVar[str]
    objectives: ClassVar[tuple[str, ...]]
    frontends: ClassVar[tuple[str, ...]] = (DEFAULT,)

    def __init__(self, workload: Workload) -> None:
        torch.manual_seed(workload.seed)
        self.workload, self.device = workload, workload.device
        self.recipe = workload.recipe
        self.model = self.build(workload).to(self.device).train()
        if self.casts:
            self.model.to(PRECISIONS[workload.precision])
        self.optimizer = self._optimizer()
        self.optimizer.zero_grad()
        # fairseq's optimizer for cast models scales by itself
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=workload.precision == "fp16" and not self.casts)
        self.loss = torch.zeros(())
        """Of the last step."""
        self.updating = False
        """Whether a step has come to its update, for whoever watches it."""

    @property
    def casts(self) -> bool:
        """Whether the whole model is in half precision."""
        return False

    @abstractmethod
    def build(self, workload: Workload) -> nn.Module:
        """The model, freshly initialised."""

    def prepare(self, batch: Batch) -> Any:
        """What a loader would do to a batch beside the training; it isn't timed."""
        return batch

    @abstractmethod
    def forward(self, inputs: Any) -> tuple[Tensor, int]:
        """Loss summed over masked frames, and their number.  Shape: -> ()"""

    def step(self, number: int) -> Phases:
        """Learn from batch `number` of the workload.  All implementations draw masks, dropout and so on from one seed."""
        torch.manual_seed(self.workload.seed + number)
        np.random.seed(self.workload.seed + number)
        inputs = self.prepare(self.workload.batch(number).to(self.device))
        return timed_step(self.device, lambda: self._loss(inputs), self._update, self._backward)

    def _loss(self, inputs: Any) -> Tensor:
        self.updating = False
        with self._autocast():
            self.loss, self.frames = self.forward(inputs)
        return self.loss

    def _autocast(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.casts else autocast(self.device, self.workload.precision)

    def _backward(self, loss: Tensor) -> None:
        self.optimizer.backward(self.scaler.scale(loss))

    def _update(self) -> None:
        """What fairseq's trainer does after the last backward pass; gradients that overflow are dropped."""
        self.updating = True
        self.optimizer.multiply_grads(1 / self.frames)
        self.scaler.unscale_(self.optimizer.optimizer)
        with suppress(OverflowError):
            self.optimizer.clip_grad_norm(self.recipe.optimization.clip_norm)
            if self.scaler.is_enabled():
                self.scaler.step(self.optimizer.optimizer)
            else:
                self.optimizer.step()
        self.scaler.update()
        self.optimizer.zero_grad()

    def _optimizer(self) -> FairseqOptimizer:
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if self.casts:
            return FP16Optimizer.build_optimizer(self._cast_recipe(), parameters)
        return build_optimizer(self.recipe.optimizer, parameters)

    def _cast_recipe(self) -> Any:
        common = {"common": {"fp16": self.workload.precision == "fp16", "bf16": self.workload.precision == "bf16"}}
        return OmegaConf.merge(self.recipe, common)
