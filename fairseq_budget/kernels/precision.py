"""In which precision things are computed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


def working_dtype(weight: Tensor) -> torch.dtype:
    """The precision of matrix products: autocast's where it is on, else the parameters' own."""
    device = weight.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


def as_it_is(x: Tensor) -> AbstractContextManager[Any]:
    """Where `x` is computed with in the precision that it has, whatever autocast surrounds it."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


class ExactBuffers(nn.Module):
    """Its buffers follow the model to a device, but not to half precision: fairseq's fp16 calls ``model.half()``."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        exact = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in exact.items():
            setattr(self, name, buffer.to(getattr(self, name).device))
        return self
