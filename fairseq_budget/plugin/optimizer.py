"""fairseq's Adam in a few kernels rather than eight for each parameter.

The arithmetic is fairseq's, whose weight decay is decoupled from the gradient (Loshchilov and Hutter 2019)::

    p <- p - lr * decay * p - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)

On a GPU torch's fused AdamW computes it, elsewhere operations on lists of tensors in fairseq's own order.  What is saved is
what fairseq's `adam` saves, and each reads the other's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from fairseq.optim import FairseqOptimizer, register_optimizer
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from torch import Tensor

CLIP_EPS = 1e-6
"""fairseq's, beside the norm that a gradient is divided by."""


class FewKernelsAdam(torch.optim.Optimizer):
    """Adam with decoupled weight decay, for parameters in single precision."""

    supports_flat_params = True

    def __init__(self, params: Any, lr: float, betas: tuple[float, float], eps: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient; of a layer that was skipped there is none."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for (updates, kind), params in self._by_updates(group["params"]).items():
                update = _fused if kind == "cuda" else _in_fairseqs_order
                states = [self.state[p] for p in params]
                means, squares = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
                update(params, [p.grad for p in params], means, squares, updates, group)
        return loss

    def _by_updates(self, params: list[Tensor]) -> dict[tuple[int, str], list[Tensor]]:
        """Parameters by how often they were updated, this time included, and by device."""
        found = defaultdict(list)
        for p in params:
            if p.grad is None:
                continue
            state = self.state[p]
            if not state:
                state |= {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            state["step"] += 1
            found[state["step"], p.device.type].append(p)
        return found


def _fused(params: Any, grads: Any, means: Any, squares: Any, updates: int, group: dict[str, Any]) -> None:
    """torch adds epsilon after the correction of the bias, fairseq before it."""
    (beta1, beta2), count = group["betas"], torch.full((), float(updates), device=params[0].device)
    settings = {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "weight_decay": group["weight_decay"]}
    eps = group["eps"] / math.sqrt(1 - beta2**updates)
    steps = [count] * len(params)
    torch._fused_adamw_(params, grads, means, squares, [], steps, **settings, eps=eps, amsgrad=False, maximize=False)


def _in_fairseqs_order(params: Any, grads: Any, means: Any, squares: Any, updates: int, group: dict[str, Any]) -> None:
    beta1, beta2 = group["betas"]
    torch._foreach_mul_(means, beta1)
    torch._foreach_add_(means, grads, alpha=1 - beta1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, grads, grads, value=1 - beta2)
    roots = torch._foreach_sqrt(squares)
    torch._foreach_add_(roots, group["eps"])
    step_size = group["lr"] * math.sqrt(1 - beta2**updates) / (1 - beta1**updates)
    if group["weight_decay"] != 0:
        torch._foreach_add_(params, params, alpha=-group["weight_decay"] * group["lr"])
    torch._foreach_addcdiv_(params, means, roots, value=-step_size)


@dataclass
class BudgetAdamConfig(FairseqAdamConfig):
    """As fairseq's `adam`."""


@register_optimizer("budget_adam", dataclass=BudgetAdamConfig)
class BudgetAdam(FairseqAdam):
    """fairseq's `adam` with the same settings, whose update and gradient norm are a few kernels."""

    def __init__(self, cfg: BudgetAdamConfig, params: Any) -> None:
        FairseqOptimizer.__init__(self, cfg)
        self._optimizer = FewKernelsAdam(params, **self.optimizer_config)

    @torch.no_grad()
    def clip_grad_norm(self, max_norm: float, aggregate_norm_fn: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The norm of all gradients together, which are scaled down where it is above `max_norm`.  Shape: -> ()"""
        grads = [p.grad for p in self.params if p.grad is not None]
        if not grads:
            return torch.zeros(())
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads, dtype=torch.float32)))
        if aggregate_norm_fn is not None:
            norm = aggregate_norm_fn(norm)
        if max_norm > 0:
            torch._foreach_mul_(grads, (max_norm / (norm + CLIP_EPS)).clamp_(max=1))
        return norm


# fairseq goes on from a checkpoint only with an optimizer of the name that wrote it
BudgetAdam.__name__ = FairseqAdam.__name__
