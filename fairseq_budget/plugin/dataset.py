"""fairseq's dataset: utterances of a manifest, cropped or padded for each batch, with labels or without.

Letters: B rows of a batch, S samples of a row, L labels of a row, T samples of an utterance.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from fairseq.data import FairseqDataset

from fairseq_budget.data import audio
from fairseq_budget.data.crops import crop_start, new_samples
from fairseq_budget.data.labels import SPECIAL_SYMBOLS, LabelFile, crop_labels
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.data.packing import STOCK_MULTIPLE, Packer, check_rule, pack
from fairseq_budget.data.packing.batches import Batches
from fairseq_budget.data.packing.neighbours import longest, shortest
from fairseq_budget.data.packing.statistics import samples_heard
from fairseq_budget.data.segment_labels import SegmentLabels
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.plugin.errors import user_errors

logger = logging.getLogger(__name__)


@dataclass
class Crop:
    """What a batch hears of an utterance: `length` samples from `start` on, of which no earlier epoch has heard `new`."""

    index: int
    start: int
    length: int
    new: int
    wave: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """Shape: (length,), once it was read."""


class PretrainingDataset(FairseqDataset):
    """Utterances by index, and batches of them as `data/packing` makes them.

    Batches depend on the seed and the epoch alone, and where a crop begins on these and the utterance: neither on ranks
    nor on what was drawn before, so that every rank has the same list, and a run that is resumed too.
    """

    def __init__(
        self,
        manifest: Utterances,
        max_sample_size: int,
        min_sample_size: int,
        normalize: bool,
        seed: int,
        labels: LabelFile | SegmentLabels | None = None,
        label_rate: float = 0.0,
        batching: str = "buckets",
        padding: bool = False,
    ) -> None:
        check_rule(batching, padding)
        self.batching, self.padding = batching, padding
        # how long the rows of a batch are; the rule says it once it knows how large batches may get
        self.row_length: Callable[[np.ndarray], int] = longest if padding else shortest
        self.manifest, self.labels, self.label_rate = manifest, labels, label_rate
        self.normalize, self.seed, self.epoch = normalize, seed, 1
        self.filled = 0.0
        """Share of `dataset.max_tokens` that is heard, once there are batches."""
        self.max_sample_size = max_sample_size
        # four bytes an utterance: as many as any corpus has
        self.kept = np.flatnonzero(manifest.frames >= min_sample_size).astype(np.int32)
        if not len(self.kept):
            raise BudgetError(
                f"every one of the {len(manifest)} utterances under {manifest.root} is shorter than "
                f"`task.min_sample_size` = {min_sample_size} samples; lower it or use longer audio"
            )

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Without audio: what is read of it depends on the other utterances of the batch."""
        item: dict[str, Any] = {"id": int(index)}
        if self.labels is not None:
            item["labels"] = self.labels[index]
        return item

    def read(self, index: int, start: int = 0, samples: int | None = None) -> torch.Tensor:
        """So many samples from `start` on; all by default.  Shape: -> (samples,) float32 at 16 kHz."""
        if not self.normalize:
            return torch.from_numpy(self.manifest.read_audio(index, start, samples))
        wave = torch.from_numpy(self.manifest.read_audio(index))
        return F.layer_norm(wave, wave.shape)[start : None if samples is None else start + samples]

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Crop, and pad with zeros, to the length that the rule says.

        Shape: -> net_input.source (B, S), net_input.lengths (B,) if a row is padded, net_input.target (B, L) with labels;
        id (B,), samples (B,), the length of each row without padding, and new (B,), how many of them no earlier epoch has
        heard.  Numbers of a row are arrays: fairseq moves every tensor to the GPU, and reading them there would wait for it.
        Audio that could not be read is named in bad_audio, see bad_audio.py.
        """
        if not samples:
            return {}
        bad: dict[int, str] = {}
        while good := [sample for sample in samples if sample["id"] not in bad]:
            crops = self._crops(good)
            failed = self._read_all(crops)
            if not failed:
                break
            bad |= failed  # the others' rows may be longer without these
        batch = self._collate(good, crops) if good else self._stand_in(samples[0])
        if bad:
            batch["bad_audio"] = list(bad.items())
        return batch

    def _crops(self, samples: list[dict[str, Any]]) -> list[Crop]:
        """What a batch of these utterances hears of each."""
        ids = [sample["id"] for sample in samples]
        lengths = self.sizes_of(ids)
        lengths = np.minimum(lengths, self.row_length(lengths))
        spares = (self.manifest.frames[ids] - lengths).tolist()
        return [self._crop(*found) for found in zip(ids, spares, lengths.tolist(), strict=True)]

    def _crop(self, index: int, spare: int, length: int) -> Crop:
        start = crop_start(self.seed, self.epoch, index, spare)
        return Crop(index, start, length, new_samples(self.seed, self.epoch, index, spare, start, length))

    def _read_all(self, crops: list[Crop]) -> dict[int, str]:
        """Give each crop its samples.  -> what was wrong with those that can't be read, by utterance."""
        failed = {}
        for crop in crops:
            try:
                crop.wave = self.read(crop.index, crop.start, crop.length)
            except BudgetError as error:  # the task decides what becomes of it: see bad_audio.py
                failed[crop.index] = str(error)
        return failed

    def _stand_in(self, sample: dict[str, Any]) -> dict[str, Any]:
        """A batch of noise, in the place of one of which no utterance could be read."""
        (crop,) = crops = self._crops([sample])
        noise = np.random.default_rng(crop.index).standard_normal(crop.length, dtype=np.float32)
        crop.wave = torch.from_numpy(noise)
        return {**self._collate([sample], crops), "stand_in": True}

    def _collate(self, samples: list[dict[str, Any]], crops: list[Crop]) -> dict[str, Any]:
        """A batch of at least one utterance."""
        lengths = np.array([crop.length for crop in crops])
        row = self.row_length(self.sizes_of([crop.index for crop in crops]))
        source = torch.zeros(len(crops), row)
        for crop, place in zip(crops, source, strict=True):
            place[: crop.length] = crop.wave
        inputs: dict[str, Any] = {"source": source}
        if lengths.min() < row:
            inputs["lengths"] = lengths
        if self.labels is not None:
            inputs["target"] = self._targets(samples, [crop.start for crop in crops], lengths)
        new = np.array([crop.new for crop in crops])
        return {"id": np.array([crop.index for crop in crops]), "samples": lengths, "new": new, "net_input": inputs}

    def _targets(self, samples: list[dict[str, Any]], starts: list[int], lengths: np.ndarray) -> torch.Tensor:
        """Labels beside the crops.  A padded batch repeats each row's last one, the others are cut to the fewest.

        Shape: lengths (B,) samples -> (B, L) int64.
        """
        rows = []
        for sample, start, length in zip(samples, starts, lengths.tolist(), strict=True):
            wanted = round(length / audio.SAMPLE_RATE * self.label_rate)
            rows.append(crop_labels(sample["labels"], start, length, self.label_rate, wanted))
        width = max(map(len, rows)) if self.padding else min(map(len, rows))
        equal = [np.pad(row[:width], (0, max(width - len(row), 0)), mode="edge") for row in rows]
        return torch.from_numpy(np.stack(equal).astype(np.int64)) + len(SPECIAL_SYMBOLS)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def ordered_indices(self) -> np.ndarray:
        """All that are long enough; their order is the rule's affair."""
        return self.kept

    def batch_by_size(
        self,
        indices: np.ndarray,
        max_tokens: int | None = None,
        max_sentences: int | None = None,
        required_batch_size_multiple: int = STOCK_MULTIPLE,
    ) -> Batches:
        """The batches of this epoch, by the rule of `task.batching`; fairseq's own are made by an extension module that an
        installation without a compiler lacks."""
        sizes = self.sizes_of(indices)
        if sizes.max() < np.iinfo(np.int32).max:
            sizes = sizes.astype(np.int32)
        limit = max_tokens or int(sizes.max()) * (max_sentences or 1)
        with user_errors():
            packer = self._packer(sizes, limit, max_sentences, required_batch_size_multiple)
            batches = packer.batches(np.random.default_rng((self.seed, self.epoch)))
            if not batches:
                raise BudgetError(f"`task.batching` = {self.batching} drops every batch of this corpus: choose buckets")
        self.row_length = packer.row_length
        self.filled = samples_heard(packer, sizes, batches) / (len(batches) * limit)
        left_out = len(sizes) - len(batches.members)
        logger.info("%d batches, %.1f%% full; %d utterances left out", len(batches), 100 * self.filled, left_out)
        return batches.renamed(indices)

    def _packer(self, sizes: np.ndarray, limit: int, max_sentences: int | None, multiple: int) -> Packer:
        if sizes.max() > limit:
            raise ConfigError(
                f"`dataset.max_tokens` = {limit} samples is less than the longest crop of {sizes.max()}: "
                "raise it, or lower `task.max_sample_size`"
            )
        return pack(self.batching, sizes, limit, max_sentences, self.padding, multiple)

    def sizes_of(self, indices: Any) -> np.ndarray:
        """Samples of these utterances, as they are cropped.  Shape: indices (B,) -> (B,) int64"""
        return np.minimum(self.manifest.frames[indices], self.max_sample_size)

    def num_tokens(self, index: int) -> int:
        return int(self.sizes_of(index))

    size = num_tokens
