"""Gradients of fixed random batches at a checkpoint, without updates: how much they deviate, by the size of the batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fairseq_budget.checkpoints.pretrained import Pretrained, load_pretrained
from fairseq_budget.diagnostics.gradients.batches import Audio
from fairseq_budget.diagnostics.gradients.moments import Moments
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.objectives import get_objective


@dataclass(frozen=True)
class Deviation:
    """Of the gradients of several batches of `seconds` at a checkpoint."""

    checkpoint: str
    updates: int
    seconds: float
    batches: int
    deviation: float
    """Standard deviation of a parameter's gradient, averaged over parameters."""
    norm: float
    """Length of the true gradient, as far as these batches tell; NaN where they don't."""
    critical_seconds: float
    """Batch whose noise is as large as the gradient itself (McCandlish et al. 2018, "An Empirical Model of Large-Batch
    Training", equation 2.8): larger ones bring little.  NaN where the batches don't tell."""


def measure(
    checkpoint: Path,
    data: Path,
    seconds: Sequence[float],
    batches: int,
    crop: float,
    seed: int,
    device: torch.device,
    label_dir: Path | None = None,
) -> Iterator[Deviation]:
    """One result for each size of a batch, smallest first.

    Raises:
        ConfigError: fewer than two batches, or a batch below a crop.
        BudgetError: no checkpoint, no audio, or no labels for an objective that needs them.
    """
    if batches < 2:
        raise ConfigError(f"`--batches` must be at least 2, as one gradient doesn't deviate, but is {batches}")
    pretrained = load_pretrained(checkpoint)
    labelled = get_objective(pretrained.objective).needs_labels
    audio = Audio.open(data, crop, (label_dir or data) if labelled else None)
    model = pretrained.model.to(device).train()
    _at_update(model, pretrained.updates)
    for size in sorted(seconds):
        moments = Moments()
        for batch in range(batches):
            moments.add(_gradient(pretrained, audio, size, seed, batch, device))
        yield _result(checkpoint, pretrained.updates, size, moments)


def _at_update(model: nn.Module, updates: int) -> None:
    """What goes by the number of updates, such as the temperature of wav2vec 2.0's quantizer."""
    for module in model.modules():
        if callable(take := getattr(module, "set_num_updates", None)):
            take(updates)


def _gradient(
    pretrained: Pretrained, audio: Audio, seconds: float, seed: int, batch: int, device: torch.device
) -> list[Tensor]:
    """For each masked frame, as training has it; masks and dropout are fixed, too."""
    torch.manual_seed(seed * 1_000_003 + batch)
    model, frames = pretrained.model, 0
    model.zero_grad(set_to_none=False)
    for inputs in audio.parts(seconds, seed, batch, pretrained.normalize):
        loss = model(**{name: value.to(device) for name, value in inputs.items()})
        loss.total.backward()
        frames += loss.frames
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradient = [torch.zeros_like(p) if p.grad is None else p.grad / frames for p in parameters]
    if not all(bool(part.isfinite().all()) for part in gradient):
        raise BudgetError(f"batch {batch} of {seconds:g} s has a gradient that is no number: this model has diverged")
    return gradient


def _result(checkpoint: Path, updates: int, seconds: float, moments: Moments) -> Deviation:
    squared = moments.squared_norm()
    known = squared > 0
    return Deviation(
        str(checkpoint),
        updates,
        seconds,
        moments.count,
        moments.deviation(),
        math.sqrt(squared) if known else math.nan,
        seconds * moments.variance() / squared if known else math.nan,
    )
