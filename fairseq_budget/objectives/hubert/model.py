"""HuBERT (Hsu et al. 2021): predict the cluster of each masked frame.

Letters: B utterances, S samples, F frames, M masked frames, K clusters, P final dimension.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.modules.encoder import Lengths, SpeechEncoder
from fairseq_budget.objectives.hubert.defaults import HubertConfig
from fairseq_budget.objectives.loss import FEATURES_PENALTY, Loss


class Hubert(SpeechEncoder):
    """Cosine similarity of the projected frame with an embedding of each cluster, over a temperature (equation 3).

    Only masked frames are scored (weights 1 and 0, paper A).  The similarities are one product of normalised matrices:
    what stock fairseq computes from an expanded copy of all embeddings for every frame.
    """

    config: HubertConfig

    def __init__(self, config: HubertConfig) -> None:
        super().__init__(config)
        self.final_proj = nn.Linear(config.encoder_embed_dim, config.final_dim)
        self.label_embs_concat = nn.Parameter(torch.empty(config.num_classes, config.final_dim).uniform_())

    def logits(self, hidden: Tensor) -> Tensor:
        """Shape: (..., D) -> (..., K)."""
        projected = F.normalize(self.final_proj(hidden).float(), dim=-1)
        return projected @ F.normalize(self.label_embs_concat.float(), dim=-1).t() / self.config.logit_temp

    def forward(self, source: Tensor, target: Tensor, lengths: Lengths = None, mask: Tensor | None = None) -> Loss:
        """Shape: source (B, S); target (B, L) int64 labels at `label_rate`; lengths (B,) samples or None; mask (B, F)."""
        encoded = self.encode_masked(source, lengths, mask)
        target = self.labels_of_frames(target, encoded.hidden.size(1))
        wanted = encoded.masked(target).flatten()
        logits = self.logits(encoded.masked(encoded.hidden)).flatten(0, 1)
        prediction = F.cross_entropy(logits, wanted, reduction="sum")
        penalty = FEATURES_PENALTY * encoded.features_pen * wanted.numel()
        correct = (logits.detach().argmax(-1) == wanted).sum()
        terms = {"loss_prediction": prediction.detach(), "loss_features_pen": penalty.detach(), "correct": correct}
        return Loss(prediction + penalty, wanted.numel(), terms)

    def labels_of_frames(self, target: Tensor, frames: int) -> Tensor:
        """Take the label at the start of each frame.  Shape: (B, L) -> (B, F); the last label stands in past the end."""
        ratio = self.config.label_rate * self.model_shape.stride / SAMPLE_RATE
        index = (torch.arange(frames, device=target.device) * ratio).long().clamp(max=target.size(1) - 1)
        return target[:, index]


MODEL = Hubert
