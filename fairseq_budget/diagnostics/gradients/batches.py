"""Fixed random batches: the same for every checkpoint, and the smaller ones the beginning of the larger.

Letters: B utterances of a part, S samples, L labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.label_record import read_label_rate
from fairseq_budget.data.labels import DICTIONARY_NAME, SPECIAL_SYMBOLS, LabelFile, crop_labels, read_dictionary
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError, ConfigError

PART_SECONDS = 64.0
"""Of a batch that are computed at once; gradients of parts are added."""


@dataclass(frozen=True)
class Audio:
    """What batches are drawn from: crops of `seconds`, of utterances that are at least as long."""

    manifest: Manifest
    seconds: float
    labels: LabelFile | None
    label_rate: float

    @classmethod
    def open(cls, data: Path, seconds: float, label_dir: Path | None) -> Audio:
        """A folder with train.tsv; with labels of it in `label_dir`, where the objective needs them.

        Raises:
            BudgetError: no such files, or no utterance of so many seconds.
        """
        manifest = Manifest.read(data / "train.tsv")
        if not (manifest.frames >= seconds * SAMPLE_RATE).any():
            raise BudgetError(f"`{data}`: no utterance lasts {seconds:g} s; lower `--crop`")
        if label_dir is None:
            return cls(manifest, seconds, None, 0.0)
        labels = LabelFile(label_dir / "train.km", read_dictionary(label_dir / DICTIONARY_NAME))
        return cls(manifest, seconds, labels, read_label_rate(label_dir))

    @property
    def samples(self) -> int:
        """Of a crop."""
        return round(self.seconds * SAMPLE_RATE)

    def crops(self, seconds: float, seed: int, batch: int) -> list[tuple[int, int]]:
        """Utterance and first sample of each crop of a batch of so many seconds.

        Raises:
            ConfigError: less than one crop.
        """
        count = round(seconds / self.seconds)
        if count < 1:
            raise ConfigError(
                f"a batch of {seconds:g} s holds no crop of {self.seconds:g} s: give more, or a shorter `--crop`"
            )
        rng = np.random.default_rng((seed, batch))
        long_enough = np.flatnonzero(self.manifest.frames >= self.samples)
        found = []
        for _ in range(count):  # one by one, so that a larger batch begins as a smaller one does
            index = int(long_enough[rng.integers(len(long_enough))])
            found.append((index, int(rng.integers(self.manifest.frames[index] - self.samples + 1))))
        return found

    def parts(self, seconds: float, seed: int, batch: int, normalize: bool) -> Iterator[dict[str, Tensor]]:
        """A batch as inputs of a model, in parts of at most `PART_SECONDS`.

        Shape: source (B, S) float32, and target (B, L) int64 where there are labels.
        """
        crops = self.crops(seconds, seed, batch)
        rows = max(int(PART_SECONDS // self.seconds), 1)
        for first in range(0, len(crops), rows):
            yield self._inputs(crops[first : first + rows], normalize)

    def _inputs(self, crops: list[tuple[int, int]], normalize: bool) -> dict[str, Tensor]:
        waves = [torch.from_numpy(self.manifest.read_audio(index, start, self.samples)) for index, start in crops]
        if normalize:
            waves = [F.layer_norm(wave, wave.shape) for wave in waves]
        inputs = {"source": torch.stack(waves)}
        if self.labels is None:
            return inputs
        rows = [crop_labels(self.labels[index], start, self.samples, self.label_rate) for index, start in crops]
        shortest = min(map(len, rows))
        targets = [torch.from_numpy(row[:shortest]) + len(SPECIAL_SYMBOLS) for row in rows]
        return inputs | {"target": torch.stack(targets)}
