"""fairseq's dataset: utterances of a manifest, cropped for each batch, with labels or without."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from fairseq.data import FairseqDataset

from fairseq_budget.data import audio
from fairseq_budget.data.labels import LabelFile, crop_labels
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.packing import pack_sorted
from fairseq_budget.errors import BudgetError, ConfigError

SPECIAL_SYMBOLS = 4
"""fairseq's dictionaries begin with <s>, <pad>, </s> and <unk>; cluster k is symbol k + 4."""


class PretrainingDataset(FairseqDataset):
    """Every batch is cropped to its shortest member, as in all three papers' recipes: nothing is padded.

    Where a crop begins depends on the seed, the epoch and the utterance alone, not on workers or on what was drawn before.
    """

    def __init__(
        self,
        manifest: Manifest,
        max_sample_size: int,
        min_sample_size: int,
        normalize: bool,
        seed: int,
        labels: LabelFile | None = None,
        label_rate: float = 0.0,
    ) -> None:
        self.manifest, self.labels, self.label_rate = manifest, labels, label_rate
        self.normalize, self.seed, self.epoch = normalize, seed, 1
        self.sizes = np.minimum(manifest.frames, max_sample_size)
        self.kept = np.flatnonzero(manifest.frames >= min_sample_size)
        if not len(self.kept):
            raise BudgetError(
                f"every one of the {len(manifest)} utterances under {manifest.root} is shorter than "
                f"`task.min_sample_size` = {min_sample_size} samples; lower it or use longer audio"
            )

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item: dict[str, Any] = {"id": int(index), "source": self.read(index)}
        if self.labels is not None:
            item["labels"] = self.labels[index]
        return item

    def read(self, index: int) -> torch.Tensor:
        """Shape: -> (T,) float32 at 16 kHz, as many samples as the manifest says."""
        wave = torch.from_numpy(self.manifest.read_audio(index))
        return F.layer_norm(wave, wave.shape) if self.normalize else wave

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Crop to the shortest.

        Shape: -> net_input.source (B, S), net_input.target (B, L) with labels; id (B,) and samples (B,), the length of each
        row, as arrays: fairseq moves every tensor to the GPU, and reading them there would wait for it.
        """
        if not samples:
            return {}
        size = min(min(len(s["source"]), int(self.sizes[s["id"]])) for s in samples)
        starts = [self._crop_start(s["id"], len(s["source"]) - size) for s in samples]
        source = torch.stack([s["source"][start : start + size] for s, start in zip(samples, starts, strict=True)])
        batch = {
            "id": np.array([s["id"] for s in samples]),
            "samples": np.full(len(samples), size),
            "net_input": {"source": source},
        }
        if self.labels is not None:
            batch["net_input"]["target"] = self._targets(samples, starts, size)
        return batch

    def _crop_start(self, index: int, spare: int) -> int:
        return int(np.random.default_rng((self.seed, self.epoch, index)).integers(spare + 1))

    def _targets(self, samples: list[dict[str, Any]], starts: list[int], size: int) -> torch.Tensor:
        wanted = round(size / audio.SAMPLE_RATE * self.label_rate)
        rows = [
            crop_labels(s["labels"], start, size, self.label_rate, wanted) for s, start in zip(samples, starts, strict=True)
        ]
        shortest = min(len(row) for row in rows)
        return torch.from_numpy(np.stack([row[:shortest] for row in rows]).astype(np.int64)) + SPECIAL_SYMBOLS

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def ordered_indices(self) -> np.ndarray:
        """Longest first, equal lengths in the order of fairseq's seeded generator."""
        shuffled = np.random.permutation(len(self.kept))
        return self.kept[np.lexsort((shuffled, self.sizes[self.kept]))[::-1]]

    def batch_by_size(
        self,
        indices: np.ndarray,
        max_tokens: int | None = None,
        max_sentences: int | None = None,
        required_batch_size_multiple: int = 1,
    ) -> list[np.ndarray]:
        """Our own packer: fairseq's is an extension module that an installation without a compiler lacks."""
        longest = int(self.sizes[indices[0]]) if len(indices) else 0
        if max_tokens is not None and longest > max_tokens:
            raise ConfigError(
                f"`dataset.max_tokens` = {max_tokens} samples is less than the longest crop of {longest}: "
                "raise it, or lower `task.max_sample_size`"
            )
        limit = max_tokens or longest * (max_sentences or 1)
        return [indices[batch] for batch in pack_sorted(self.sizes[indices], limit, max_sentences)]

    def num_tokens(self, index: int) -> int:
        return int(self.sizes[index])

    def size(self, index: int) -> int:
        return int(self.sizes[index])
