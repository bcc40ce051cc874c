"""wav2vec 2.0 (Baevski et al. 2020): tell the quantised latent of each masked frame from others of its utterance.

Letters: B utterances, S samples, F frames, M masked frames of each utterance, N distractors, P final dimension.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.kernels.dropout import dropout
from fairseq_budget.kernels.precision import as_it_is
from fairseq_budget.modules.encoder import Lengths, SpeechEncoder, device_tensor
from fairseq_budget.objectives.loss import FEATURES_PENALTY, Loss
from fairseq_budget.objectives.wav2vec2.defaults import Wav2Vec2Config
from fairseq_budget.objectives.wav2vec2.quantizer import GumbelQuantizer, Quantized

SIMILARITY_EVERY = 100
"""Updates between two measurements of codewords (Vaessen and van Leeuwen)."""


class Wav2Vec2(SpeechEncoder):
    """InfoNCE over one positive and distractors (equation 3), a diversity loss (equation 4) and the features penalty."""

    config: Wav2Vec2Config

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        channels = self.model_shape.frontend.width
        width = config.latent_dim or config.final_dim
        self.quantizer = GumbelQuantizer(channels, config.latent_vars, config.latent_groups, width, config.latent_temp)
        self.project_q = nn.Linear(width, config.final_dim)
        self.final_proj = nn.Linear(config.encoder_embed_dim, config.final_dim)
        self._similarities: dict[str, Tensor] = {}

    def forward(
        self,
        source: Tensor,
        lengths: Lengths = None,
        mask: Tensor | None = None,
        distractors: Tensor | None = None,
    ) -> Loss:
        """Shape: source (B, S); lengths (B,) samples or None; mask (B, F) and distractors (B, M, N) are drawn if None."""
        encoded = self.encode_masked(source, lengths, mask)
        features = dropout(encoded.features, self.config.dropout_features, self.training)
        latents = encoded.masked(features)
        batch, masked = latents.shape[:2]
        quantized = self.quantizer(latents.flatten(0, 1))
        targets = self.project_q(quantized.vectors).view(batch, masked, -1)
        predictions = self.final_proj(encoded.masked(encoded.hidden))
        if distractors is None:
            distractors = draw_distractors(batch, masked, self.config.num_negatives)
        codes = quantized.codes.view(batch, masked, -1)
        logits = self.logits(predictions, targets, codes, device_tensor(distractors, source.device))
        return self._loss(logits, quantized, encoded.features_pen)

    def logits(self, predictions: Tensor, targets: Tensor, codes: Tensor, distractors: Tensor) -> Tensor:
        """Cosine similarities over the temperature; column 0 is the positive.

        All pairs within an utterance are one matrix product, of which the distractors' entries are picked: their vectors
        are never gathered.  A distractor with the positive's own codes is excluded (-inf), as in fairseq.

        Shape: predictions and targets (B, M, P), codes (B, M, G), distractors (B, M, N) -> (B * M, 1 + N).
        """
        with as_it_is(predictions):
            predictions, targets = F.normalize(predictions.float(), dim=-1), F.normalize(targets.float(), dim=-1)
            similarity = predictions @ targets.transpose(1, 2) / self.config.logit_temp
        positives = similarity.diagonal(dim1=1, dim2=2)[..., None]
        negatives = similarity.gather(2, distractors)
        number = (codes * self.config.latent_vars ** torch.arange(codes.size(-1), device=codes.device)).sum(-1)
        same = number[:, None, :].expand_as(similarity).gather(2, distractors) == number[..., None]
        return torch.cat([positives, negatives.masked_fill(same, float("-inf"))], dim=-1).flatten(0, 1)

    def _loss(self, logits: Tensor, quantized: Quantized, features_pen: Tensor) -> Loss:
        frames = logits.size(0)
        contrastive = F.cross_entropy(logits, logits.new_zeros(frames, dtype=torch.long), reduction="sum")
        codewords = self.config.latent_vars * self.config.latent_groups
        once = self.config.penalties_once
        # unused codewords are a number there, and a share here
        unused = (codewords - quantized.prob_perplexity.sum()) * (1 if once else frames / codewords)
        diversity = self.config.diversity_weight * unused
        penalty = FEATURES_PENALTY * features_pen * (1 if once else frames)
        best = logits.detach().max(-1)
        terms = {
            "loss_contrastive": contrastive.detach(),
            "loss_diversity": diversity.detach(),
            "loss_features_pen": penalty.detach(),
            "correct": (best.indices == 0).sum(),
        }
        return Loss(contrastive + diversity + penalty, frames, terms, self._monitored(quantized))

    def _monitored(self, quantized: Quantized) -> dict[str, Tensor]:
        """What tells how codebooks are used, and now and then how alike their codewords are."""
        found = {}
        for name in ("code_perplexity", "prob_perplexity"):
            values = getattr(quantized, name).detach()
            found[name] = values.sum()  # as fairseq logs it
            found |= {f"{name}_{book + 1}": value for book, value in enumerate(values)}
        if not self.training:
            return found
        updates = self.quantizer.updates
        if updates and updates % SIMILARITY_EVERY == 0:  # at first they are random
            self._similarities = self.quantizer.similarities()
        return found | self._similarities  # in every update from then on: fairseq's meters know no gaps


def draw_distractors(batch: int, masked: int, count: int) -> Tensor:
    """Draw other masked frames of the same utterance, uniformly with replacement, on the CPU.

    Shape: -> (B, M, N) int64, indices into the M masked frames, never the frame itself.
    """
    if masked < 2:
        return torch.zeros(batch, masked, 0, dtype=torch.long)
    drawn = torch.randint(masked - 1, (batch, masked, count))
    return drawn + (drawn >= torch.arange(masked)[:, None])


MODEL = Wav2Vec2
