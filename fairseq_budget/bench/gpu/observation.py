"""What a part of the check looks at, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fairseq_budget.arithmetic.units import SAMPLE_RATE


@dataclass(frozen=True)
class Observation:
    """One thing that was looked at; `good` is None where there is nothing to hold it against."""

    what: str
    found: str
    wanted: str = ""
    good: bool | None = None


@dataclass(frozen=True)
class Target:
    """A device and how much is asked of it: on a CPU little of everything."""

    device: torch.device

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def size(self) -> str:
        return "slim" if self.on_gpu else "30"

    @property
    def precisions(self) -> tuple[str, ...]:
        return ("fp32", "bf16", "fp16") if self.on_gpu else ("fp32", "bf16")

    @property
    def batch(self) -> tuple[int, int]:
        """Utterances, and samples of each: 87.5 s are the published batch of a rank."""
        return (6, round(14.58 * SAMPLE_RATE)) if self.on_gpu else (2, SAMPLE_RATE)

    @property
    def recipes(self) -> tuple[str, ...]:
        """The recipes' devices."""
        return ("cuda", "cuda_bf16") if self.on_gpu else ("cpu", "cpu_bf16")
