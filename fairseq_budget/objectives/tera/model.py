"""TERA as Liu et al. 2024 train it: reconstruct the MFCC of each masked frame.

After Liu et al. 2021 ("TERA"), with the masking and the encoder of HuBERT.  There are no labels: targets are computed from
the batch's own waveform, on its device.  A model that reads fixed frames reconstructs those, as the original does.

Letters: B utterances, S samples, F frames, M masked frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.modules.encoder import Lengths, SpeechEncoder, device_tensor
from fairseq_budget.modules.log_mel import pairs_of_frames
from fairseq_budget.modules.mfcc import KaldiMFCC
from fairseq_budget.objectives.loss import FEATURES_PENALTY, Loss
from fairseq_budget.objectives.objective import CONSTANT_TERM
from fairseq_budget.objectives.tera.defaults import TeraConfig


class Tera(SpeechEncoder):
    """L1 between a linear projection of each masked frame and its target values, averaged over the values."""

    config: TeraConfig

    def __init__(self, config: TeraConfig) -> None:
        super().__init__(config)
        self.target_dim = config.head().target_dim(self.model_shape)
        self.final_proj = nn.Linear(config.encoder_embed_dim, self.target_dim)
        self.mfcc = KaldiMFCC()

    def forward(self, source: Tensor, lengths: Lengths = None, mask: Tensor | None = None) -> Loss:
        """Shape: source (B, S); lengths (B,) samples or None; mask (B, F) is drawn if None.

        Targets are computed from `source` as it comes: under fairseq's fp16, which halves every tensor in single precision,
        it should come in double.
        """
        encoded = self.encode_masked(source, lengths, mask)
        target = encoded.frames
        if self.model_shape.frontend.learns:
            target = self.targets(source, target.size(1), device_tensor(lengths, source.device))
        predicted = self.final_proj(encoded.masked(encoded.hidden)).float()
        frames = predicted.size(0) * predicted.size(1)
        masked = encoded.masked(target)
        reconstruction = F.l1_loss(predicted, masked, reduction="sum") / self.target_dim
        penalty = FEATURES_PENALTY * encoded.features_pen * frames
        terms = {"loss_reconstruction": reconstruction.detach(), "loss_features_pen": penalty.detach()}
        if not self.training:
            terms[CONSTANT_TERM] = self._best_constant(masked.flatten(0, 1).float())
        return Loss(reconstruction + penalty, frames, terms)

    @torch.no_grad()
    def _best_constant(self, target: Tensor) -> Tensor:
        """The loss of the batch's own medians, which no constant beats under L1.  Shape: (B * M, D) -> ()."""
        return (target - target.median(dim=0).values).abs().sum() / self.target_dim

    @torch.no_grad()
    def targets(self, source: Tensor, frames: int, lengths: Tensor | None = None) -> Tensor:
        """Two stacked 100 Hz frames of 13 MFCC with deltas and delta-deltas for each 50 Hz frame.

        Shape: source (B, S), lengths (B,) or None -> (B, F, 78); past an utterance's last complete pair, it is repeated.
        """
        own = None if lengths is None else self.mfcc.frames(lengths)
        return pairs_of_frames(self.mfcc.mfcc39(source, lengths), frames, own)


MODEL = Tera
