"""What decides hidden states beside the samples: the model, the code that computes it, and the precision."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

import fairseq_budget
from fairseq_budget.checkpoints.digest import tensor_digest

_ROOMS = ("arithmetic", "kernels", "modules", "frontends", "objectives")
"""Packages whose code hidden states come out of."""


@cache
def computation() -> str:
    """A digest of the code that computes, and torch's version: whoever changes a line needs to think of no number."""
    package = Path(fairseq_budget.__file__).parent
    sources = [path for room in _ROOMS for path in sorted((package / room).rglob("*.py"))]
    digest = hashlib.sha256(torch.__version__.encode())
    for path in (*sources, package.with_name("s3prl_upstreams") / "upstreams" / "expert.py"):
        digest.update(b"\0" + path.read_bytes())
    return digest.hexdigest()


def model_digest(model: nn.Module, *settings: object) -> str:
    """Of a model's tensors and of what else it was built with, whatever file that was read from."""
    told = [tensor_digest(model.state_dict()), *(repr(value) for value in settings)]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def precision(device: torch.device) -> str:
    """How a kind of device multiplies; its threads and its model make differences of rounding alone."""
    if device.type != "cuda":
        return device.type
    return f"cuda {torch.get_float32_matmul_precision()} {torch.backends.cudnn.allow_tf32}"


def key_of(identity: str, wave: np.ndarray) -> str:
    """The name of an utterance's hidden states.  Shape: (T,) float32."""
    digest = hashlib.sha256(f"{identity} {len(wave)} ".encode())
    digest.update(memoryview(np.ascontiguousarray(wave, dtype=np.float32)).cast("B"))
    return digest.hexdigest()
