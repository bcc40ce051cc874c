"""Half weights that copies in single precision learn for, as fairseq's FP16 optimizer has it.

Follows fairseq 0.12.2, fairseq/optim/fp16_optimizer.py: weights and their gradients in half, and for each weight a copy, its
gradient and Adam's two moments in single precision, 20 bytes a parameter in all.  The loss is scaled up, the gradients down.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LOSS_SCALE = 128.0
"""fairseq's first one (``common.fp16_init_scale``)."""


class HalfPrecision:
    """A model whose weights become half; `masters` are what an optimizer learns."""

    def __init__(self, model: nn.Module) -> None:
        self.masters: list[Tensor] = [nn.Parameter(weight.detach().float()) for weight in model.parameters()]
        self.weights: list[Tensor] = list(model.half().parameters())

    def scale(self, loss: Tensor) -> Tensor:
        """The loss to take gradients of.  Shape: () -> ()"""
        return LOSS_SCALE * loss.float()

    def update(self, optimizer: torch.optim.Optimizer) -> bool:
        """One step of an optimizer of the masters, unless a gradient overflowed; whether there was one."""
        for master, weight in zip(self.masters, self.weights, strict=True):
            master.grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        grads = [master.grad for master in self.masters if master.grad is not None]
        torch._foreach_mul_(grads, 1 / LOSS_SCALE)
        is_finite = math.isfinite(torch.stack(torch._foreach_norm(grads)).norm().item())
        if is_finite:
            optimizer.step()
            with torch.no_grad():
                torch._foreach_copy_(self.weights, self.masters)
        return is_finite
