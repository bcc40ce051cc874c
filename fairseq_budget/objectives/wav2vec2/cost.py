"""Cost of wav2vec 2.0's head, by the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.arithmetic.head import Head, linear
from fairseq_budget.arithmetic.shape import ModelShape


@dataclass(frozen=True)
class Wav2Vec2Head(Head):
    """Quantizer, both projections, and one positive and the negatives to compare with (Baevski et al. 2020, section 3.2)."""

    codebooks: int = 2
    entries: int = 320
    """Codewords of each codebook."""
    latent_dim: int = 0
    """Width of a quantised target; 0 means the encoder's `final_dim`."""
    negatives: int = 100

    def quantised_dim(self, encoder: ModelShape) -> int:
        """Width of a quantised target."""
        return self.latent_dim or encoder.final_dim

    def parameters(self, encoder: ModelShape) -> int:
        codewords, width = self.codebooks * self.entries, self.quantised_dim(encoder)
        quantizer = codewords * (width // self.codebooks) + linear(encoder.frontend.width, codewords)
        return quantizer + linear(width, encoder.final_dim) + linear(encoder.dim, encoder.final_dim)

    def flops(self, encoder: ModelShape, masked: int) -> int:
        codewords, width = self.codebooks * self.entries, self.quantised_dim(encoder)
        quantizer = codewords * width // self.codebooks
        projections = encoder.dim * encoder.final_dim + width * encoder.final_dim
        comparisons = (1 + self.negatives) * encoder.final_dim
        return 2 * masked * (projections + quantizer + comparisons) + self.flops_on_frames(encoder, masked)

    def flops_on_frames(self, encoder: ModelShape, masked: int) -> int:
        """The logits of the codewords."""
        return 2 * masked * encoder.frontend.width * self.codebooks * self.entries
