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
import torch.nn.functional as F
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


LAYER_NORM_EPSILON = 1e-5
"""torch's, below the square root."""

_MFCC_FRAMES = 30_000
"""Of a long utterance at a time: five minutes."""


@dataclass(frozen=True)
class PieceSize:
    """How a longer utterance is cut, so that memory is bounded by a piece and not by the file.

    `window` and `hop` of a frame are in samples.  A piece has so many `frames`, and is computed with `frames_around` on each
    side.
    """

    window: int
    hop: int
    frames: int
    frames_around: int = 0


class Features(Protocol):
    """What k-means clusters: MFCC in HuBERT's first round, a hidden layer of the first model in its second.

    ``name`` and ``rate`` (frames a second) go into the record of the labels; ``width`` is D.
    """

    name: str
    rate: float
    width: int
    device: torch.device
    normalises: bool
    """Whether a wave is brought to mean 0 and variance 1 over its whole length."""

    @property
    def pieces(self) -> PieceSize | None:
        """None where features are of an utterance as a whole."""
        ...

    def frames(self, samples: int) -> int:
        """F of an utterance of so many samples."""
        ...

    def __call__(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Of utterances no longer than a piece, normalised.

        Shape: waves (B, T) padded at the end, lengths (B,) in samples -> (B, F, D), each row as if it were alone.
        """
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
    normalises = False

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._mfcc = KaldiMFCC().to(self.device)
        self.pieces = PieceSize(self._mfcc.window_samples, self._mfcc.shift_samples, _MFCC_FRAMES, 2 * DELTA_REACH)

    def frames(self, samples: int) -> int:
        """Windows of 25 ms that fit, every 10 ms."""
        return int(self._mfcc.frames(samples))

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
    cut = features.pieces
    if len(batch) == 1 and cut and features.frames(int(utterances.frames[batch[0]])) > cut.frames:
        return [np.concatenate(list(_in_pieces(utterances, int(batch[0]), features, cut, finish)))]
    lengths = torch.from_numpy(utterances.frames[batch])
    waves = torch.zeros(len(batch), int(lengths.max()))
    for row, index in enumerate(batch.tolist()):
        wave = torch.from_numpy(utterances.read_audio(index))
        waves[row, : lengths[row]] = F.layer_norm(wave, wave.shape) if features.normalises else wave
    with torch.inference_mode():
        rows = finish(features(waves.to(features.device), lengths.to(features.device))).cpu().numpy()
    return [row[: features.frames(samples)] for row, samples in zip(rows, lengths.tolist(), strict=True)]


def _in_pieces(
    utterances: Utterances, index: int, features: Features, cut: PieceSize, finish: Callable[[Tensor], Tensor]
) -> Iterator[np.ndarray]:
    """A long utterance's features, each piece computed with the frames around it.  Shape: yields (at most F, ...)."""
    total = features.frames(int(utterances.frames[index]))
    normalised = _normalisation(utterances, index, cut.frames * cut.hop) if features.normalises else torch.as_tensor
    for first in range(0, total, cut.frames):
        end = min(first + cut.frames, total)
        reach_first, reach_end = max(first - cut.frames_around, 0), min(end + cut.frames_around, total)
        samples = (reach_end - reach_first - 1) * cut.hop + cut.window
        wave = normalised(torch.from_numpy(utterances.read_audio(index, reach_first * cut.hop, samples)))
        with torch.inference_mode():
            rows = features(wave[None].to(features.device), torch.tensor([len(wave)], device=features.device))
            row = finish(rows[:, first - reach_first : end - reach_first])[0]
        yield row.cpu().numpy()


def _normalisation(utterances: Utterances, index: int, samples: int) -> Callable[[Tensor], Tensor]:
    """``F.layer_norm`` over a whole utterance, for pieces of it; reads it once, so many samples at a time."""
    length, total, squares = int(utterances.frames[index]), 0.0, 0.0
    for start in range(0, length, samples):
        wave = utterances.read_audio(index, start, min(samples, length - start)).astype(np.float64)
        total, squares = total + wave.sum(), squares + np.square(wave).sum()
    mean = total / length
    deviation = (squares / length - mean**2 + LAYER_NORM_EPSILON) ** 0.5
    return lambda wave: (wave - mean) / deviation
