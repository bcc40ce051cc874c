"""This machine: its devices, the time between two moments on them, and how fast they multiply matrices."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

import torch

from fairseq_budget.errors import ConfigError, unknown_name

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What most of a step is computed in.  fp32 on a GPU is torch's default: TensorFloat-32 in convolutions, not in products."""

SMALLEST, LARGEST = 2048, 16_384
"""Rows of the matrices that are multiplied: three of the smallest, in 2 bytes a number, are 25 MB."""
LONG_ENOUGH = 0.2
"""Seconds of a product after which larger matrices tell nothing new."""


def open_device(name: str | None) -> torch.device:
    """The device of that name: `cpu`, `cuda`, `cuda:1`; without one a GPU, if there is any.  It becomes torch's current one.

    Raises:
        ConfigError: no such kind of device, or none of it here.
    """
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or not (index or "0").isdigit():
        raise ConfigError(f"`--device` must be cpu, cuda or cuda:<number>, but is `{name}`")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"`--device` is {name}, but torch sees {torch.cuda.device_count()} GPUs here: try `--device cpu`")
    if kind == "cpu":
        return torch.device(kind)
    torch.cuda.set_device(int(index or 0))
    return torch.device(kind, int(index or 0))


def check_precision(name: str | None, device: torch.device) -> str:
    """`name` if a step can be computed in it on that device; without one, the recipes' for it: fp32 on a CPU, fp16 on a GPU.

    Raises:
        ConfigError: an unknown precision, or one that isn't for that device.
    """
    name = name or ("fp16" if device.type == "cuda" else "fp32")
    if name not in PRECISIONS:
        raise unknown_name("precision", name, PRECISIONS)
    if name == "fp16" and device.type == "cpu":
        raise ConfigError("`--precision` fp16 is for GPUs: on a CPU, choose fp32 or bf16")
    return name


def device_name(device: torch.device) -> str:
    """What a device is, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    threads = torch.get_num_threads()
    return f"{models[0] if models else platform.machine()}, {threads} thread{'s' * (threads > 1)}"


class Stopwatch:
    """Moments on a device, and the seconds between them.

    On a GPU a moment is an event in its queue: taking it doesn't wait, only reading the seconds does.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.moments: list[Any] = []
        """Seconds on a CPU, events on a GPU."""

    def mark(self) -> None:
        """Take the present moment."""
        if self.device.type == "cpu":
            self.moments.append(time.perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        self.moments.append(event)

    def seconds(self) -> list[float]:
        """From each moment to the next one, once the device has reached the last."""
        pairs = zip(self.moments, self.moments[1:], strict=False)
        if self.device.type == "cpu":
            return [after - before for before, after in pairs]
        torch.cuda.synchronize(self.device)
        return [before.elapsed_time(after) / 1000 for before, after in pairs]


def warm_up_steps(device: torch.device) -> int:
    """Steps that aren't timed: a GPU's first ones choose kernels and fill the allocator's caches, a CPU's first one does."""
    return 3 if device.type == "cuda" else 1


def matmul_rate(device: torch.device, precision: str, repeats: int = 5, rows: int | None = None) -> float:
    """FLOP/s of a product of two square matrices: what a training step can reach at best.

    The matrices hold random numbers, and as many rows as :func:`enough_rows` finds if it isn't given.  The best of `repeats`
    products, a multiply-accumulate counting 2.
    """
    rows = rows or enough_rows(device, precision)
    return 2 * rows**3 / _product_seconds(device, precision, rows, repeats)


def enough_rows(device: torch.device, precision: str) -> int:
    """Rows of matrices whose product takes :data:`LONG_ENOUGH`: starting it, and caches that would hold small ones, don't
    count any more."""
    rows = SMALLEST
    while rows < LARGEST and _product_seconds(device, precision, rows, 1) < LONG_ENOUGH:
        rows *= 2
    return rows


def _product_seconds(device: torch.device, precision: str, size: int, repeats: int) -> float:
    """Shortest time of a product of two (size, size) matrices, after one that isn't timed."""
    left, right, product = (torch.randn(size, size, device=device).to(PRECISIONS[precision]) for _ in range(3))
    watch = Stopwatch(device)
    torch.mm(left, right, out=product)
    watch.mark()
    for _ in range(repeats):
        torch.mm(left, right, out=product)
        watch.mark()
    return min(watch.seconds())
