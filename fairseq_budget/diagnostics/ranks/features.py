"""Features of all layers from one pass over the middle of each utterance.

Letters in shapes: N utterances, B of them in a batch, T samples, F frames, K kept frames, L hidden states, D model width.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fairseq_budget.arithmetic.flops import encoder_flops
from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.data.rows import Part, stretch
from fairseq_budget.errors import BudgetError
from fairseq_budget.labels.features import stream

EVERY = 4
"""One frame of so many is kept, 80 ms from the next: neighbours are much alike, and matrices stay small."""


class Middles(Utterances):
    """So many samples from the middle of chosen utterances, none of them shorter; `offsets` (N,) is where they begin."""

    def __init__(self, source: Utterances, indices: np.ndarray, samples: int) -> None:
        """Shape: indices (N,)"""
        self.source, self.indices, self.root, self.archives = source, indices, source.root, source.archives
        self.offsets = (source.frames[indices] - samples) // 2
        self.frames = np.full(len(indices), samples)

    def parts(self, index: int) -> list[Part]:
        """What the middle is made of, by names below `root`."""
        return stretch(self.source.parts(int(self.indices[index])), int(self.offsets[index]), int(self.frames[index]))

    def where(self, index: int) -> str:
        """Where the utterance is listed."""
        return self.source.where(int(self.indices[index]))


def choose(source: Utterances, utterances: int, seconds: float, seed: int) -> Middles:
    """The middle `seconds` of so many utterances, drawn once for a seed; all, if there are fewer.

    Raises:
        BudgetError: unless there are two of at least so many seconds: all shall weigh the same.
    """
    samples = round(seconds * SAMPLE_RATE)
    long_enough = np.flatnonzero(source.frames >= samples)
    if len(long_enough) < 2 or samples < 1:
        raise BudgetError(
            f"{len(long_enough)} of {len(source)} utterances last {seconds:g} s, and ranks need two: lower `--seconds`"
        )
    drawn = np.random.default_rng(seed).permutation(long_enough)[:utterances]
    return Middles(source, np.sort(drawn), samples)


class AllLayers:
    """Every hidden state of a checkpoint's model, for `fairseq_budget.labels.features.stream`.

    A row of its output is the mean over an utterance's frames, the others are every `every`-th frame; its width is L * D.
    """

    pieces = None

    def __init__(self, checkpoint: Path, device: torch.device, every: int = EVERY) -> None:
        self.every = every
        self.pretrained = load_pretrained(checkpoint)
        self.normalises = self.pretrained.normalize
        self.device = device
        self._model = self.pretrained.model.to(device)
        self._shape = self._model.model_shape
        self.name = f"{self.pretrained.objective}, all layers"
        self.rate = SAMPLE_RATE / self._shape.stride / every
        self.states = self._shape.layers + 1
        self.width = self.states * self._shape.dim

    @property
    def shortest(self) -> int:
        """Samples that a frame takes."""
        return self._shape.shortest_crop

    def frames(self, samples: int) -> int:
        """Rows of an utterance of so many samples: one and K."""
        return 1 + self.kept(samples)

    def kept(self, samples: int) -> int:
        """K of an utterance of so many samples."""
        return -(-self._shape.frames(samples) // self.every)

    def seconds(self, samples: int) -> np.ndarray:
        """The time in the middle of what each kept frame sees.  Shape: -> (K,)"""
        starts = np.arange(self.kept(samples)) * self.every * self._shape.stride
        return (starts + self.shortest / 2) / SAMPLE_RATE

    def __call__(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Shape: waves (B, T), all as long as `lengths` (B,) -> (B, 1 + K, L * D)"""
        every = torch.stack(self._model.extract(waves)[0], dim=2)
        # (B, 1 + K, L, D) -> (B, 1 + K, L * D)
        return torch.cat([every.mean(1, keepdim=True), every[:, :: self.every]], dim=1).flatten(2)

    def identity(self) -> dict[str, Any]:
        """Nothing is kept of these features."""
        return {}

    def flops(self, samples: int) -> int:
        """FLOPs of the forward pass on so many samples."""
        return encoder_flops(self._shape, samples)

    def earlier_rounds(self) -> list[dict[str, Any]]:
        """Not told."""
        return []

    def of(self, middles: Middles) -> tuple[np.ndarray, list[np.ndarray]]:
        """Means and kept frames of utterances.  Shape: -> (N, L, D), N arrays (K, L, D), float32

        Raises:
            BudgetError: utterances that are too short for a frame.
        """
        if int(middles.frames.min()) < self.shortest:
            raise BudgetError(f"utterances of {middles.frames.min()} samples are too short for a frame: raise `--seconds`")
        rows = list(self._rows(middles))
        return np.stack([row[0] for row in rows]), [row[1:] for row in rows]

    def _rows(self, middles: Middles) -> Iterator[np.ndarray]:
        for row in stream(middles, range(len(middles)), self):
            yield row.reshape(len(row), self.states, -1)
