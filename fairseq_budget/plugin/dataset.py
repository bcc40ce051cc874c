"""fairseq's dataset: utterances of a manifest, cropped or padded for each batch, with labels or without.

Letters: B rows of a batch, S samples of a row, L labels of a row, T samples of an utterance.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from fairseq.data import FairseqDataset

from fairseq_budget.data import audio
from fairseq_budget.data.labels import SPECIAL_SYMBOLS, LabelFile, crop_labels
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.data.packing import Packer, check_rule, pack
from fairseq_budget.data.packing.neighbours import longest, shortest
from fairseq_budget.data.packing.statistics import samples_heard
from fairseq_budget.data.segment_labels import SegmentLabels
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.plugin.errors import user_errors

logger = logging.getLogger(__name__)


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
        item: dict[str, Any] = {"id": int(index)}
        try:
            item["source"] = self.read(index)
        except BudgetError as error:  # the task decides what becomes of it: see bad_audio.py
            item["bad_audio"] = str(error)
        if self.labels is not None:
            item["labels"] = self.labels[index]
        return item

    def read(self, index: int) -> torch.Tensor:
        """Shape: -> (T,) float32 at 16 kHz, as many samples as the manifest says."""
        wave = torch.from_numpy(self.manifest.read_audio(index))
        return F.layer_norm(wave, wave.shape) if self.normalize else wave

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Crop, and pad with zeros, to the length that the rule says.

        Shape: -> net_input.source (B, S), net_input.lengths (B,) if a row is padded, net_input.target (B, L) with labels;
        id (B,) and samples (B,), the length of each row without padding, as arrays: fairseq moves every tensor to the GPU,
        and reading them there would wait for it.  Audio that could not be read is named in bad_audio, see bad_audio.py.
        """
        if not samples:
            return {}
        bad = [(s["id"], s["bad_audio"]) for s in samples if "bad_audio" in s]
        good = [s for s in samples if "bad_audio" not in s]
        batch = self._collate(good or [self._stand_in(samples[0])])
        if bad:
            batch["bad_audio"] = bad
        return batch if good else {**batch, "stand_in": True}

    def _stand_in(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Noise in the place of an utterance that could not be read, where a batch has no other."""
        index = sample["id"]
        noise = np.random.default_rng(index).standard_normal(self.manifest.frames[index], dtype=np.float32)
        return {**sample, "source": torch.from_numpy(noise)}

    def _collate(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch of at least one utterance."""
        lengths = np.array([min(len(s["source"]), int(self.sizes[s["id"]])) for s in samples])
        row = self.row_length(lengths)
        lengths = np.minimum(lengths, row)
        source = torch.zeros(len(samples), row)
        starts = []
        for sample, length, place in zip(samples, lengths.tolist(), source, strict=True):
            starts.append(self._crop_start(sample["id"], len(sample["source"]) - length))
            place[:length] = sample["source"][starts[-1] : starts[-1] + length]
        batch = {"id": np.array([s["id"] for s in samples]), "samples": lengths, "net_input": {"source": source}}
        if lengths.min() < row:
            batch["net_input"]["lengths"] = torch.from_numpy(lengths)
        if self.labels is not None:
            batch["net_input"]["target"] = self._targets(samples, starts, lengths)
        return batch

    def _crop_start(self, index: int, spare: int) -> int:
        return int(np.random.default_rng((self.seed, self.epoch, index)).integers(spare + 1))

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
        required_batch_size_multiple: int = 1,
    ) -> list[np.ndarray]:
        """The batches of this epoch, by the rule of `task.batching`.

        Unlike fairseq's, which is an extension module that an installation without a compiler lacks, it takes no multiple.
        """
        sizes = self.sizes[indices]
        limit = max_tokens or int(sizes.max()) * (max_sentences or 1)
        with user_errors():
            packer = self._packer(sizes, limit, max_sentences)
            batches = packer.batches(np.random.default_rng((self.seed, self.epoch)))
            if not batches:
                raise BudgetError(f"`task.batching` = {self.batching} drops every batch of this corpus: choose buckets")
        self.row_length = packer.row_length
        self.filled = samples_heard(packer, sizes, batches) / (len(batches) * limit)
        left_out = len(sizes) - sum(map(len, batches))
        logger.info("%d batches, %.1f%% full; %d utterances left out", len(batches), 100 * self.filled, left_out)
        return [indices[batch] for batch in batches]

    def _packer(self, sizes: np.ndarray, limit: int, max_sentences: int | None) -> Packer:
        if sizes.max() > limit:
            raise ConfigError(
                f"`dataset.max_tokens` = {limit} samples is less than the longest crop of {sizes.max()}: "
                "raise it, or lower `task.max_sample_size`"
            )
        return pack(self.batching, sizes, limit, max_sentences, self.padding)

    def num_tokens(self, index: int) -> int:
        return int(self.sizes[index])

    def size(self, index: int) -> int:
        return int(self.sizes[index])
