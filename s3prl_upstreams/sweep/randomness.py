"""The states of every random generator that s3prl's datasets and heads draw from.

Why trials can share their batches: s3prl seeds a run once, and how many numbers a head, its dropout and SpecAugment draw
depends on the shapes of a batch alone.  So separate runs with the same seed and different learning rates are at the same
place of the same stream before every batch.  Trials that share a pass are put there one after the other, and the place that
they reach is checked to be one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Streams:
    """Where each generator is: torch on the CPU and on every GPU, NumPy, Python."""

    cpu: Tensor
    gpus: tuple[Tensor, ...]
    numpy: tuple[Any, ...]
    python: tuple[Any, ...]

    def same_as(self, other: Streams) -> bool:
        """Whether the next numbers are the same."""
        return (
            torch.equal(self.cpu, other.cpu)
            and all(torch.equal(one, two) for one, two in zip(self.gpus, other.gpus, strict=True))
            and np.array_equal(self.numpy[1], other.numpy[1])
            and self.numpy[2:] == other.numpy[2:]
            and self.python == other.python
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain data, for :func:`from_state`."""
        name, key, *rest = self.numpy
        return {
            "cpu": self.cpu,
            "gpus": list(self.gpus),
            "numpy": [name, key.tolist(), *rest],
            "python": [self.python[0], list(self.python[1]), self.python[2]],
        }


def from_state(state: dict[str, Any]) -> Streams:
    """The streams that a :meth:`Streams.state_dict` describes."""
    name, key, *rest = state["numpy"]
    version, internal, gauss = state["python"]
    return Streams(
        state["cpu"],
        tuple(state["gpus"]),
        (name, np.array(key, dtype=np.uint32), *rest),
        (version, tuple(internal), gauss),
    )


def take() -> Streams:
    """Where the generators are now."""
    gpus = tuple(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else ()
    return Streams(torch.get_rng_state(), gpus, np.random.get_state(), random.getstate())  # type: ignore[arg-type]


def put(streams: Streams) -> None:
    """Set the generators back."""
    torch.set_rng_state(streams.cpu)
    if streams.gpus:
        torch.cuda.set_rng_state_all(list(streams.gpus))
    np.random.set_state(streams.numpy)
    random.setstate(streams.python)


def seed(value: int) -> None:
    """What s3prl does when a run begins and before every evaluation."""
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)  # also every GPU's
