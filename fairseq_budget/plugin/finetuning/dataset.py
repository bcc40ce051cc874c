"""Whole utterances with their transcripts.

Letters: B utterances of a batch, L units of a transcript.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from fairseq_budget.data.labels import SPECIAL_SYMBOLS
from fairseq_budget.data.manifest import Utterances
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.plugin.dataset import PretrainingDataset

logger = logging.getLogger(__name__)

PAD = SPECIAL_SYMBOLS.index("<pad>")


class FinetuningDataset(PretrainingDataset):
    """Nothing is cropped: what is longer than `max_sample_size` is left out."""

    def __init__(self, manifest: Utterances, max_sample_size: int, *args: Any, **settings: Any) -> None:
        super().__init__(manifest, max_sample_size, *args, **settings)
        if not self.padding or self.batching == "buckets":
            raise ConfigError(
                "a transcript belongs to a whole utterance, which no batch may crop: `task.padding=true`, and "
                "`task.batching` sorted or bins"
            )
        fits = manifest.frames[self.kept] <= max_sample_size
        if not fits.any():
            raise BudgetError(f"every utterance is longer than `task.max_sample_size` = {max_sample_size} samples")
        if not fits.all():
            logger.warning("%d utterances are longer than `task.max_sample_size`: left out", int((~fits).sum()))
        self.kept = self.kept[fits]

    def _collate(self, samples: list[dict[str, Any]], crops: Any) -> dict[str, Any]:
        batch = super()._collate(samples, crops)
        batch["net_input"]["target_lengths"] = np.array([len(sample["labels"]) for sample in samples])
        return batch

    def _targets(self, samples: list[dict[str, Any]], starts: list[int], lengths: np.ndarray) -> torch.Tensor:
        """Transcripts, padded.  Shape: -> (B, L) int64."""
        rows = [torch.from_numpy(sample["labels"].astype(np.int64)) for sample in samples]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
