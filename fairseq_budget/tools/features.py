"""Features of a whole manifest, streamed: utterances go through a feature function in padded batches, in two threads.

Letters in shapes: B utterances, T samples at 16 kHz, F frames, D numbers per frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fairseq_budget.data import audio
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.mfcc import KaldiMFCC

POOL_UTTERANCES = 256
"""Utterances that are sorted by length together; their features are in memory at a time (about 60 MB of MFCC)."""

BATCH_SAMPLES = 40 * audio.SAMPLE_RATE
"""Samples of a padded batch: small enough for the processor's caches, or one utterance if that is longer."""

WORKERS = 2


class Features(Protocol):
    """What k-means clusters: MFCC in HuBERT's first round, a hidden layer of the first model in its second.

    ``name`` and ``rate`` (frames a second) go into the record of the labels; ``width`` is D.
    """

    name: str
    rate: int
    width: int

    def frames(self, samples: int) -> int:
        """F of an utterance of so many samples."""
        ...

    def __call__(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Shape: waves (B, T) padded at the end, lengths (B,) in samples -> (B, F, D), each row as if it were alone."""
        ...


class MFCC39:
    """13 MFCC with deltas and delta-deltas at 100 Hz (Hsu et al. 2021, section IV-B)."""

    name = "mfcc39"
    rate = 100
    width = 39

    def __init__(self) -> None:
        self._mfcc = KaldiMFCC()

    def frames(self, samples: int) -> int:
        """Windows of 25 ms that fit, every 10 ms."""
        return int(self._mfcc.frames(samples))

    def __call__(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Shape: waves (B, T), lengths (B,) -> (B, F, 39)"""
        return self._mfcc.mfcc39(waves, lengths)


def stream(manifest: Manifest, indices: Sequence[int] | np.ndarray, features: Features) -> Iterator[np.ndarray]:
    """Features of these utterances, in this order.

    Shape: yields (F, D), float32, per utterance.
    Raises BudgetError for audio that cannot be read or is not as long as the manifest says.
    """
    with ThreadPoolExecutor(WORKERS) as workers:
        for start in range(0, len(indices), POOL_UTTERANCES):
            pool = np.asarray(indices[start : start + POOL_UTTERANCES])
            yield from _pool(manifest.subset(pool), features, workers)


def _pool(pool: Manifest, features: Features, workers: ThreadPoolExecutor) -> list[np.ndarray]:
    """Features of one pool in the pool's order: computed in order of length, so that little is padded."""
    batches = list(_batches(pool.frames))
    results = workers.map(lambda batch: _of_batch(pool.subset(batch), features), batches)
    found: dict[int, np.ndarray] = {}
    for batch, rows in zip(batches, results, strict=True):
        found.update(zip(batch, rows, strict=True))
    return [found[index] for index in range(len(pool))]


def _batches(frames: np.ndarray) -> Iterator[list[int]]:
    """Indices in order of length, as many together as fit padded into ``BATCH_SAMPLES``; at least one."""
    batch: list[int] = []
    for index in np.argsort(frames, kind="stable").tolist():
        if batch and (len(batch) + 1) * frames[index] > BATCH_SAMPLES:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _of_batch(batch: Manifest, features: Features) -> list[np.ndarray]:
    """Shape: list of B arrays (F, D)."""
    lengths = torch.from_numpy(batch.frames)
    waves = torch.zeros(len(batch), int(lengths.max()))
    for index in range(len(batch)):
        waves[index, : lengths[index]] = _read(batch, index)
    with torch.inference_mode():
        rows = features(waves, lengths).float().cpu().numpy()
    return [row[: features.frames(samples)] for row, samples in zip(rows, lengths.tolist(), strict=True)]


def _read(manifest: Manifest, index: int) -> Tensor:
    """Shape: (T,)"""
    path = manifest.audio_path(index)
    wave = audio.read(path)
    if len(wave) != manifest.frames[index]:
        raise BudgetError(
            f"`{path}` has {len(wave)} samples at 16 kHz, its manifest says {manifest.frames[index]}: "
            "make the manifest again with `fairseq-budget manifest`"
        )
    return torch.from_numpy(wave)
