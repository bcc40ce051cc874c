"""Waveform to hidden states: what all objectives have in common.

Letters: B utterances, S samples, F frames, C values of a front end's frame, D model width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from torch import Tensor, nn

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.frontends import build_frontend
from fairseq_budget.kernels.dropout import dropout
from fairseq_budget.modules.masking import draw_mask
from fairseq_budget.modules.transformer import TransformerEncoder

Lengths = Tensor | np.ndarray | None
"""Samples of each utterance of a padded batch, or None when nothing is padded."""


@dataclass
class Encoded:
    """One masked pass: what an objective is scored on.

    Shape: hidden (B, F, D), frames (B, F, C) of the front end, features (B, F, C) the same as the encoder reads them before
    masking, positions (B * M,) the masked frames as indices into B * F, features_pen () the mean square of the frames of a
    front end that learns, 0 of others.
    """

    hidden: Tensor
    frames: Tensor
    features: Tensor
    positions: Tensor
    features_pen: Tensor

    def masked(self, x: Tensor) -> Tensor:
        """Shape: (B, F, ...) -> (B, M, ...), the masked frames of each utterance, of which all have equally many."""
        chosen = x.flatten(0, 1).index_select(0, self.positions)
        # (B * M, ...) -> (B, M, ...)
        return chosen.view(x.size(0), -1, *x.shape[2:])


class SpeechEncoder(nn.Module):
    """Front end, projection, masking and Transformer; an objective subclasses it and adds its head.

    Parameter names are stock fairseq's (HubertModel, Wav2Vec2Model).
    """

    config: ModelConfig

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model_shape: ModelShape = config.shape()
        frontend, dim = self.model_shape.frontend, config.encoder_embed_dim
        self.feature_extractor = build_frontend(frontend)
        # what isn't learned comes normalised, band by band: a norm over the bands of a frame would take its loudness away
        self.layer_norm = nn.LayerNorm(frontend.width) if frontend.learns else None
        self.post_extract_proj = nn.Linear(frontend.width, dim) if frontend.width != dim else None
        self.mask_emb = nn.Parameter(torch.empty(dim).uniform_())
        self.encoder = TransformerEncoder(config)
        self.recomputed = frozenset({"linear", "attention"} if config.checkpoint_activations else ())
        """Components of :func:`~fairseq_budget.arithmetic.flops.forward_flops` that the backward pass computes again."""

    @property
    def step_shape(self) -> ModelShape:
        """What a step of training costs now: the model's shape, with the parts that aren't trained."""
        return self.model_shape

    def features(self, source: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Shape: source (B, S), lengths (B,) samples or None -> frames (B, F, C), lengths (B,) frames or None.

        The gradient that flows back into the front end is scaled by `feature_grad_mult`.
        """
        scale = self.config.feature_grad_mult
        with torch.set_grad_enabled(torch.is_grad_enabled() and scale > 0):
            features, frames = self.feature_extractor(source, lengths)
        if features.requires_grad and scale != 1.0:
            features.register_hook(lambda gradient: gradient * scale)
        return features, frames

    def normalise(self, frames: Tensor) -> Tensor:
        """What the encoder reads of a front end's frames, in its own precision.  Shape: (B, F, C) -> (B, F, C)."""
        return frames.to(self.mask_emb.dtype) if self.layer_norm is None else self.layer_norm(frames)

    def project(self, features: Tensor) -> Tensor:
        """Shape: (B, F, C) -> (B, F, D), with dropout."""
        x = self.post_extract_proj(features) if self.post_extract_proj is not None else features
        return dropout(x, self.config.dropout_input, self.training)

    def encode_masked(self, source: Tensor, lengths: Lengths = None, mask: Tensor | None = None) -> Encoded:
        """The pass of pre-training; without a given `mask` (B, F) one is drawn.

        Shape: source (B, S), lengths (B,) samples, or None when nothing is padded.  Lengths that are on a GPU have to be
        waited for; as an array, which fairseq leaves on the host, they don't.
        """
        raw, frame_lengths = self.features(source, device_tensor(lengths, source.device))
        batch, frames = raw.shape[:2]
        valid = valid_frames(frame_lengths, frames)
        if mask is None:
            rows = [frames] * batch if lengths is None else [self.model_shape.frames(length) for length in lengths.tolist()]
            mask = draw_mask(rows, self.config.mask_prob, self.config.mask_length)
        # indices are found on the CPU, where the mask was drawn: on a GPU, counting them would wait for the device
        positions = device_tensor(mask.flatten().nonzero().squeeze(1), source.device)
        features = self.normalise(raw)
        x = self.project(features)
        x = torch.where(device_tensor(mask, source.device)[..., None], self.mask_emb.to(x.dtype), x)
        penalty = mean_square(raw, valid) if self.model_shape.frontend.learns else raw.new_zeros(())
        return Encoded(self.encoder(x, valid), raw, features, positions, penalty)

    def extract(self, source: Tensor, lengths: Lengths = None) -> tuple[list[Tensor], Tensor]:
        """Unmasked hidden states, for downstream tasks and labels.

        Shape: source (B, S), lengths (B,) in samples or None when nothing is padded
        -> hidden states (layers + 1) x (B, F, D): the first layer's input and every layer's output; frames (B,).
        """
        frames, frame_lengths = self.features(source, device_tensor(lengths, source.device))
        x = self.project(self.normalise(frames))
        states: list[Tensor] = []
        self.encoder(x, valid_frames(frame_lengths, x.size(1)), states)
        if frame_lengths is None:
            frame_lengths = torch.full((x.size(0),), x.size(1), device=x.device)
        return states, frame_lengths


def valid_frames(lengths: Tensor | None, frames: int) -> Tensor | None:
    """Shape: lengths (B,) or None -> (B, F) true where a frame exists, or None when all do."""
    return None if lengths is None else torch.arange(frames, device=lengths.device) < lengths[:, None]


def mean_square(features: Tensor, valid: Tensor | None) -> Tensor:
    """Mean square of all values of the frames that exist.

    Unlike stock fairseq, which averages over the padding of a batch, too.

    Shape: (B, F, C), valid (B, F) or None -> ()
    """
    square = features.float().square()
    return square.mean() if valid is None else (square.mean(-1) * valid).sum() / valid.sum()


@overload
def device_tensor(values: None, device: torch.device) -> None: ...


@overload
def device_tensor(values: Tensor | np.ndarray, device: torch.device) -> Tensor: ...


@overload
def device_tensor(values: Lengths, device: torch.device) -> Tensor | None: ...


def device_tensor(values: Lengths, device: torch.device) -> Tensor | None:
    """What was made on the host, on the model's device; a copy to a GPU waits for nothing, from memory that can't move.

    Shape: any -> the same.
    """
    if values is None:
        return None
    tensor = torch.as_tensor(values)
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
