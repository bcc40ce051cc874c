"""In which precision things are computed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


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
