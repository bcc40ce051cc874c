"""A fine-tuned model with its alphabet: audio in, log-probabilities and words out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.checkpoints.run_state import labels_of
from fairseq_budget.checkpoints.safe_load import safe_load
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.packing.neighbours import padded_batches
from fairseq_budget.data.transcripts.alphabet import Alphabet
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import sha256
from fairseq_budget.objectives.ctc.model import Ctc, best_path

MOST_SAMPLES = 3_200_000
"""Of a batch, padding included: 200 s."""


@dataclass(frozen=True)
class Emissions:
    """What the model makes of an utterance.  Shape: logs (F, U) on the CPU."""

    index: int
    logs: Tensor
    text: str
    """The words that its best path spells."""


class Recogniser:
    """A checkpoint of CTC fine-tuning, in eval mode.

    Raises:
        BudgetError: the file is none of ours, or wasn't fine-tuned.
    """

    def __init__(self, checkpoint: Path, device: torch.device) -> None:
        self.checkpoint, self.device = checkpoint, device
        self.pretrained = load_pretrained(checkpoint)
        model = self.pretrained.model
        if not isinstance(model, Ctc):
            raise BudgetError(
                f"`{checkpoint}` was pre-trained by {self.pretrained.objective} and knows no letters: fine-tune it "
                f"(`fairseq-hydra-train --config-name finetune model.checkpoint={checkpoint}`)"
            )
        self.model = model.to(device)
        told: dict[str, Any] = labels_of(safe_load(checkpoint))
        self.alphabet = Alphabet.of(told, f"`{checkpoint}`")
        if self.alphabet.classes != model.config.units:
            raise BudgetError(f"`{checkpoint}`: its dictionary has another number of symbols than its model")
        self.began_from = str(told.get("pretrained") or "scratch")
        """The objective of pre-training."""
        self.sha256 = sha256(checkpoint)

    def emissions(self, manifest: Manifest) -> Iterator[Emissions]:
        """Every utterance, shortest first, in padded batches.

        Raises:
            BudgetError: an utterance is shorter than one frame, or can't be read.
        """
        shortest = self.model.model_shape.shortest_crop
        if (too_short := np.flatnonzero(manifest.frames < shortest)).size:
            raise BudgetError(f"{manifest.where(int(too_short[0]))}: shorter than one frame of {shortest} samples")
        for batch in padded_batches(manifest.frames, MOST_SAMPLES):
            waves = [self._read(manifest, index) for index in batch]
            lengths = np.array([len(wave) for wave in waves])
            source = torch.stack([F.pad(wave, (0, int(lengths.max()) - len(wave))) for wave in waves]).to(self.device)
            padded = bool((lengths < lengths.max()).any())
            with torch.inference_mode():
                logs, frames = self.model.log_probabilities(source, lengths if padded else None)
            texts = map(self.alphabet.text, best_path(logs, frames))
            for index, row, count, text in zip(batch, logs.cpu(), frames, texts, strict=True):
                yield Emissions(index, row[:count], text)

    def _read(self, manifest: Manifest, index: int) -> Tensor:
        """Shape: -> (T,)"""
        return self.pretrained.prepare(torch.from_numpy(manifest.read_audio(index)))
