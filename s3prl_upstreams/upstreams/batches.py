"""Other people's upstreams in batches: how much padding changes their features, and a way around it.

Ours give an utterance the same features alone and beside longer ones; many others take the padding into a norm's statistics,
or let attention see it.

Letters: B waves, T samples, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

ONE_BY_ONE = "one_by_one"
"""In a run's configuration, which its checkpoints hold: whether the upstream ran on one utterance at a time."""
NOTICEABLE = 1e-3
"""Of the largest value: float32 on another order of sums stays below, and ours do."""
_PROBE_SAMPLES = (16_000, 40_000)


class OneByOne(nn.Module):
    """An upstream that is given one utterance of a batch after the other; what it gives is padded with zeros."""

    def __init__(self, upstream: nn.Module) -> None:
        super().__init__()
        self.upstream = upstream

    def get_downsample_rates(self, key: str) -> int:
        """The upstream's own."""
        return self.upstream.get_downsample_rates(key)

    def forward(self, wavs: list[Tensor]) -> dict[str, Any]:
        """What the upstream gives for each wave alone, as it would give it for the batch.

        Shape: B waves of (T_b,) -> by key, tensors (B, F, D) or lists of such; F is that of the longest.
        """
        alone = [self.upstream([wave]) for wave in wavs]
        return {key: _together([one[key] for one in alone]) for key in alone[0]}


def _together(values: Sequence[Any]) -> Any:
    """Shape: B tensors (1, F_b, D), or such in lists or dictionaries -> (B, F, D), in the same."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _together([value[key] for value in values]) for key in first}
    if isinstance(first, list | tuple):
        return [_together(parts) for parts in zip(*values, strict=True)]
    if isinstance(first, Tensor) and first.dim() > 1:
        return pad_sequence([value[0] for value in values], batch_first=True)
    return first


def padding_effect(upstream: nn.Module, device: str | torch.device = "cpu") -> float | None:
    """By how much of its largest value a hidden state of an utterance changes in a batch with a longer one.

    None where that isn't noticeable.
    """
    draw = torch.Generator().manual_seed(0)
    short, long = (torch.randn(samples, generator=draw).mul(0.1).to(device) for samples in _PROBE_SAMPLES)
    was_training = upstream.training
    upstream.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        alone, padded = (_states(upstream([wave.clone() for wave in waves])) for waves in ([short], [short, long]))
    upstream.train(was_training)
    largest = max(_change(one, other) for one, other in zip(alone, padded, strict=True))
    return largest if largest > NOTICEABLE else None


def _states(features: dict[str, Any]) -> Sequence[Tensor]:
    """Shape: -> tensors (B, F, D)"""
    states = features.get("hidden_states", features.get("last_hidden_state"))
    return [states] if isinstance(states, Tensor) else list(states or [])


def _change(alone: Tensor, padded: Tensor) -> float:
    """Shape: (1, F, D), (2, F', D)"""
    frames = min(alone.shape[1], padded.shape[1])
    difference = (padded[0, :frames] - alone[0, :frames]).abs().max()
    return float(difference / alone.abs().max().clamp(min=torch.finfo(alone.dtype).tiny))
