"""Features of many utterances, streamed: they go through a feature function in padded batches, in several threads.

Nothing is kept on disk.  The unit is a pool of neighbouring utterances: what comes out of a pool depends on its members
alone, not on which pools were computed before, by which process, or in how many threads.

Letters in shapes: B utterances, T samples at 16 kHz, F frames, D numbers per frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.data.packing.neighbours import padded_batches
from fairseq_budget.modules.mfcc import DELTA_REACH, KaldiMFCC

POOL_UTTERANCES = 64
"""Utterances that are sorted by length together; what comes of them is in memory at a time."""

WORKERS = 2
"""Batches at a time; on a GPU, one is read while the other is computed."""

_BATCH_SECONDS = {"cpu": 20, "cuda": 160}
"""Audio of a padded batch: small enough for a processor's caches, large enough for a GPU; or one longer utterance."""


_PIECE_FRAMES = 30_000
"""Frames of a long utterance at a time, five minutes of MFCC: memory is bounded by them and not by the file."""


@dataclass(frozen=True)
class Local:
    """A frame's window and hop, in samples, and how many frames on each side decide its features, too."""

    window: int
    hop: int
    frames_around: int


class Features(Protocol):
    """What k-means clusters: MFCC in HuBERT's first round, a hidden layer of the first model in its second.

    ``name`` and ``rate`` (frames a second) go into the record of the labels; ``width`` is D.
    """

    name: str
    rate: float
    width: int
    device: torch.device
    local: Local | None
    """How far around a frame its features reach; None where they depend on the whole utterance."""

    def frames(self, samples: int) -> int:
        """F of an utterance of so many samples."""
        ...

    def prepare(self, wave: Tensor) -> Tensor:
        """What is done to an utterance before it is padded.  Shape: (T,) -> (T,)"""
        ...

    def __call__(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Shape: waves (B, T) padded at the end, lengths (B,) in samples -> (B, F, D), each row as if it were alone."""
        ...

    def identity(self) -> dict[str, Any]:
        """Everything besides name and rate that decides what the features are."""
        ...

    def flops(self, samples: int) -> int:
        """What the features of an utterance of so many samples cost, in a model's forward FLOPs."""
        ...

    def earlier_rounds(self) -> list[dict[str, Any]]:
        """The rounds of training that these features come from, the first one first."""
        ...


class MFCC39:
    """13 MFCC with deltas and delta-deltas at 100 Hz (Hsu et al. 2021, section IV-B)."""

    name = "mfcc39"
    rate = 100.0
    width = 39

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._mfcc = KaldiMFCC().to(self.device)
        self.local = Local(self._mfcc.window_samples, self._mfcc.shift_samples, frames_around=2 * DELTA_REACH)

    def frames(self, samples: int) -> int:
        """Windows of 25 ms that fit, every 10 ms."""
        return int(self._mfcc.frames(samples))

    def prepare(self, wave: Tensor) -> Tensor:
        """Shape: (T,) -> (T,)"""
        return wave

    def __call__(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Shape: waves (B, T), lengths (B,) -> (B, F, 39)"""
        return self._mfcc.mfcc39(waves, lengths)

    def identity(self) -> dict[str, Any]:
        """Nothing: there is one kind."""
        return {}

    def flops(self, samples: int) -> int:
        """No model."""
        return 0

    def earlier_rounds(self) -> list[dict[str, Any]]:
        """None."""
        return []


def forward_flops(features: Features, frames: np.ndarray) -> int:
    """What the features of utterances of these lengths cost in all.  Shape: (N,) samples"""
    lengths, counts = np.unique(frames, return_counts=True)
    return sum(features.flops(length) * count for length, count in zip(lengths.tolist(), counts.tolist(), strict=True))


def stream(
    utterances: Utterances,
    indices: Sequence[int] | np.ndarray,
    features: Features,
    finish: Callable[[Tensor], Tensor] = Tensor.float,
) -> Iterator[np.ndarray]:
    """Features of these utterances, in this order, or what `finish` makes of them on their device.

    Shape: yields (F, D) float32, or what `finish` makes of (B, F, D) for one row, per utterance.

    Raises:
        BudgetError: audio that cannot be read or is not as long as the manifest says.
    """
    most = _BATCH_SECONDS.get(features.device.type, 20) * SAMPLE_RATE
    with ThreadPoolExecutor(WORKERS) as workers:
        for start in range(0, len(indices), POOL_UTTERANCES):
            pool = np.asarray(indices[start : start + POOL_UTTERANCES])
            batches = [pool[places] for places in padded_batches(utterances.frames[pool], most)]
            results = workers.map(lambda batch: _of_batch(utterances, batch, features, finish), batches)
            found: dict[int, np.ndarray] = {}
            for batch, rows in zip(batches, results, strict=True):
                found.update(zip(batch.tolist(), rows, strict=True))
            yield from (found[index] for index in pool.tolist())


def _of_batch(
    utterances: Utterances, batch: np.ndarray, features: Features, finish: Callable[[Tensor], Tensor]
) -> list[np.ndarray]:
    """Shape: list of B arrays (F, ...)."""
    if len(batch) == 1 and features.local and features.frames(int(utterances.frames[batch[0]])) > _PIECE_FRAMES:
        return [np.concatenate(list(_in_pieces(utterances, int(batch[0]), features, features.local, finish)))]
    lengths = torch.from_numpy(utterances.frames[batch])
    waves = torch.zeros(len(batch), int(lengths.max()))
    for row, index in enumerate(batch.tolist()):
        waves[row, : lengths[row]] = features.prepare(torch.from_numpy(utterances.read_audio(index)))
    with torch.inference_mode():
        rows = finish(features(waves.to(features.device), lengths.to(features.device))).cpu().numpy()
    return [row[: features.frames(samples)] for row, samples in zip(rows, lengths.tolist(), strict=True)]


def _in_pieces(
    utterances: Utterances, index: int, features: Features, local: Local, finish: Callable[[Tensor], Tensor]
) -> Iterator[np.ndarray]:
    """A long utterance's features, each piece computed with the frames around it.  Shape: yields (at most F, ...)."""
    total = features.frames(int(utterances.frames[index]))
    for first in range(0, total, _PIECE_FRAMES):
        end = min(first + _PIECE_FRAMES, total)
        reach_first, reach_end = max(first - local.frames_around, 0), min(end + local.frames_around, total)
        samples = (reach_end - reach_first - 1) * local.hop + local.window
        wave = torch.from_numpy(utterances.read_audio(index, reach_first * local.hop, samples))
        with torch.inference_mode():
            row = finish(_alone(features, features.prepare(wave))[:, first - reach_first : end - reach_first])[0]
        yield row.cpu().numpy()


def _alone(features: Features, wave: Tensor) -> Tensor:
    """Shape: (T,) -> (1, F, D)"""
    return features(wave[None].to(features.device), torch.tensor([len(wave)], device=features.device))
