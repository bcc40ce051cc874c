"""The peak memory of a training step in each precision."""

from __future__ import annotations

from collections.abc import Iterator

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.bench.gpu.observation import Observation, Target
from fairseq_budget.planning.memory import PeakMemory, available_memory, release_unused
from fairseq_budget.planning.steps import TrainingSteps, noise_batch, size_config

SIZES_ON_GPU = ("slim", "base", "large")


def memory(target: Target) -> Iterator[Observation]:
    """Of HuBERT; parameters and Adam's moments are in it."""
    free = available_memory(target.device)
    for size in SIZES_ON_GPU if target.on_gpu else (target.size,):
        for precision in target.precisions:
            peak = _peak(target, size, precision)
            told = "not known here" if peak is None else f"{peak / 1e9:.2f} GB"
            yield Observation(
                f"HuBERT {size} {precision}", told, "" if free is None else f"of {free / 1e9:.0f} GB that were free"
            )


def _peak(target: Target, size: str, precision: str) -> int | None:
    used = PeakMemory(target.device)
    training = TrainingSteps("hubert", size_config("hubert", SIZES[size]), target.device, precision)
    batch = noise_batch(training.shape, *target.batch, seed=0).to(target.device)
    used.restart()
    for _ in range(2):
        training.step(batch)
    peak = used.bytes()
    del training, batch
    release_unused(target.device)
    return peak
