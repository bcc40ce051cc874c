"""Features out of a trained model: the output of one of its Transformer layers, HuBERT's second round (and later ones).

Letters in shapes: B utterances, T samples at 16 kHz, F frames, D model width.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.arithmetic.flops import encoder_flops
from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.checkpoints.run_state import ledger_of
from fairseq_budget.checkpoints.safe_load import plain, safe_load
from fairseq_budget.errors import ConfigError
from fairseq_budget.files import sha256
from fairseq_budget.labels.features import PieceSize

CHUNK_SAMPLES = 1_600_000
"""Longer utterances go through the model in pieces of this length, as in fairseq's ``dump_hubert_feature`` (`max_chunk`)."""


def default_layer(layers: int) -> int:
    """The middle layer, rounded up.

    Liu et al. 2024 take layer 6 of 12 (Slim) and 2 of 3 (Small).  Of Base's layers those around the 6th of 12 have the
    highest PNMI after the first round (Hsu et al. 2021, section V-C and figure 2).
    """
    return (layers + 1) // 2


class HiddenLayer:
    """The output of Transformer layer `layer`, counted from 1, of a checkpoint's model; 0 is the first layer's input."""

    def __init__(self, checkpoint: Path, layer: int | None, device: torch.device) -> None:
        self.checkpoint, self.device = checkpoint, device
        self._pretrained = load_pretrained(checkpoint)
        model, layers = self._pretrained.model, self._pretrained.config.encoder_layers
        self.layer = default_layer(layers) if layer is None else layer
        if not 0 <= self.layer <= layers:
            raise ConfigError(f"`--layer` must be from 0 to {layers}, the layers of `{checkpoint}`, but is {layer}")
        self.layers = layers
        # the last state of some encoders is normalised, so the wanted one must not be the last: one more layer is run
        del model.encoder.layers[self.layer + 1 :]
        self._model = model.to(self.device)
        self._shape = model.model_shape
        self.name = f"{self._pretrained.objective} layer {self.layer} of {layers}"
        self.width = self._shape.dim
        self.rate = SAMPLE_RATE / self._shape.stride
        self.normalises = self._pretrained.normalize
        stride = self._shape.stride
        self.pieces = PieceSize(self._shape.shortest_crop, stride, frames=CHUNK_SAMPLES // stride)
        self._sha256 = sha256(checkpoint)

    def frames(self, samples: int) -> int:
        """What the convolutions make of so many samples."""
        return self._shape.frames(samples)

    def __call__(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Shape: waves (B, T), lengths (B,) -> (B, F, D)"""
        shortest = self._shape.shortest_crop
        # what is too short for a frame is lengthened here, and cut off by its number of frames, 0, later
        waves, lengths = F.pad(waves, (0, max(0, shortest - waves.size(1)))), lengths.clamp(min=shortest)
        padded = bool((lengths < waves.size(1)).any())
        states, _ = self._model.extract(waves, lengths if padded else None)
        return states[self.layer]

    def identity(self) -> dict[str, Any]:
        """Which model: a checkpoint of the same name may be another one tomorrow."""
        return {"checkpoint_sha256": self._sha256, "layer": self.layer}

    def flops(self, samples: int) -> int:
        """FLOPs of the forward pass up to the layer, on an utterance of so many samples."""
        return encoder_flops(replace(self._shape, layers=self.layer), samples)

    def earlier_rounds(self) -> list[dict[str, Any]]:
        """The rounds of training behind these features: those before the checkpoint, and the checkpoint's own.

        `spent` is the checkpoint's ledger; None for a model that wasn't trained here.
        """
        saved = safe_load(self.checkpoint)
        task = plain(saved.get("task_state")) or {}
        labels = task.get("labels") or {}
        size = self._pretrained.size
        own = {
            "round": int(labels.get("round", 1)),
            "objective": self._pretrained.objective,
            "size": size.name if size else None,
            "checkpoint": str(self.checkpoint.absolute()),
            "checkpoint_sha256": self._sha256,
            "layer": self.layer,
            "layers": self.layers,
            "spent": ledger_of(plain(saved)),
            "labelling_flops": int(labels.get("labelling_flops", 0)),
        }
        return [*labels.get("rounds", []), own]
