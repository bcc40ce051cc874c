"""fairseq's optimizer for half precision: what it copies between the model and the copy in single precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from fairseq.optim.fp16_optimizer import _FP16OptimizerMixin
from torch import Tensor


def copy_at_once() -> bool:
    """It copies parameter by parameter, twice an update: a third of the kernels that an update starts on a GPU.  The same
    copies are made list by list."""
    _FP16OptimizerMixin._sync_fp16_grads_to_fp32 = _gradients_to_single
    _FP16OptimizerMixin._sync_fp32_params_to_fp16 = _parameters_to_half
    return True


def _gradients_to_single(self: Any) -> None:
    if not self._needs_sync:
        return
    self._needs_sync = False
    _give_gradients(self)
    pairs = [
        (copy, p.grad) for p, copy in zip(self.fp16_params, _copies(self, gradients=True), strict=True) if p.requires_grad
    ]
    filled = [(copy, grad) for copy, grad in pairs if grad is not None]
    if len(filled) < len(pairs):  # of a layer that was skipped
        torch._foreach_zero_([copy for copy, grad in pairs if grad is None])
    torch._foreach_copy_([copy for copy, _ in filled], [grad for _, grad in filled])


def _parameters_to_half(self: Any) -> None:
    pairs = [
        (p.data, copy) for p, copy in zip(self.fp16_params, _copies(self, gradients=False), strict=True) if p.requires_grad
    ]
    torch._foreach_copy_([half for half, _ in pairs], [copy for _, copy in pairs])


def _give_gradients(self: Any) -> None:
    """Copies of parameters that aren't in one piece may have lost theirs."""
    if not self.has_flat_params:
        for copy in self.fp32_params:
            copy.grad = torch.zeros_like(copy) if copy.grad is None else copy.grad


def _copies(self: Any, gradients: bool) -> Iterator[Tensor]:
    """What stands for each parameter in single precision, or for its gradient, in their order."""
    if not self.has_flat_params:
        yield from ((copy.grad if gradients else copy).data for copy in self.fp32_params)
        return
    begun = dict.fromkeys(self.fp32_params, 0)
    for p in self.fp16_params:
        device = p.device.index if p.device.index in begun else next(iter(begun))
        whole = self.fp32_params[device]
        flat = (whole.grad if gradients else whole).data
        yield flat[begun[device] : begun[device] + p.numel()].view_as(p)
        begun[device] += p.numel()
