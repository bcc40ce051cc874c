"""How often the host waits for the device in a step: by torch on a GPU, by imaginary tensors without one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.bench.gpu.observation import Observation, Target
from fairseq_budget.bench.launches import count_launches
from fairseq_budget.objectives import OBJECTIVES
from fairseq_budget.planning.steps import TrainingSteps, noise_batch, size_config

MOST_KERNELS = 900
"""Of an update of Slim in half precision."""


def waits(target: Target) -> Iterator[Observation]:
    """Of forward and backward pass, which should need none; and the kernels of fairseq's whole update, counted."""
    if target.on_gpu:
        for objective in OBJECTIVES:
            count = _counted(objective, target)
            yield Observation(f"{objective}, forward and backward", f"{count} waits", "0", count == 0)
    for precision in ("fp16", "bf16"):
        found = count_launches("hubert", target.size, precision, *target.batch, overrides=("model.encoder_layerdrop=0",))
        told = f"{found.kernels:,} kernels, {found.waits} waits, on imaginary tensors"
        yield Observation(f"an update of HuBERT {target.size}, {precision}", told, f"{MOST_KERNELS} kernels of Slim in fp16")


def _counted(objective: str, target: Target) -> int:
    """Warnings of torch's synchronisation debug mode in a step, after one that fills its caches."""
    training = TrainingSteps(objective, size_config(objective, SIZES[target.size]), target.device, "bf16")
    batch = noise_batch(training.shape, *target.batch, seed=0).to(target.device)
    training.step(batch)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            training.loss(batch).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in found)
