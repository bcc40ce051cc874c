"""A digest of a model's tensors: their names, types, shapes and numbers, however the file around them is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fairseq_budget.errors import BudgetError

KEY = "model_sha256"
"""Where a checkpoint's ``task_state`` has the digest of its ``model``."""


def tensor_digest(state_dict: Mapping[str, Any]) -> str:
    """SHA-256 of a model's tensors, in hexadecimal digits.

    The order of names, the device, strides and sharing of memory make no difference; every bit of a name, type, shape or
    number does.  Takes about a second for each gigabyte; one tensor at a time is copied to the host.

    Raises:
        BudgetError: something in it is no tensor with numbers of its own.
    """
    total = hashlib.sha256()
    for name in sorted(state_dict):
        tensor = state_dict[name]
        if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
            raise BudgetError(f"`{name}` is no tensor with numbers of its own, so it has no digest")
        total.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        total.update(_bytes(tensor.detach()))
    return total.hexdigest()


def check_digest(checkpoint: Mapping[str, Any], path: Any) -> None:
    """Compare a checkpoint's ``model`` with the digest that was saved beside it; one without a digest is taken.

    Raises:
        BudgetError: the tensors aren't those that were saved; names the file.
    """
    told = checkpoint.get("task_state")
    expected = told.get(KEY) if isinstance(told, dict) else None
    if expected is not None and tensor_digest(checkpoint["model"]) != expected:
        raise BudgetError(f"`{path}`: its tensors aren't those that were saved (`{KEY}` differs): copy or make it again")


def _bytes(tensor: Tensor) -> memoryview:
    """A tensor's numbers in the order of its indices, as they lie in memory."""
    flat = tensor.cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data if flat.numel() else memoryview(b"")
