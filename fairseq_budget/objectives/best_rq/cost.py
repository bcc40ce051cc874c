"""Cost of BEST-RQ's head and of its targets, by the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.arithmetic.head import Head, linear
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.frontends.mel.cost import STACKED, filter_flops


@dataclass(frozen=True)
class BestRQHead(Head):
    """A linear layer over the codes (Chiu et al. 2022, section 3.2), and the frozen quantizer that makes them."""

    codes: int = 8192
    code_dim: int = 16
    mels: int = 80

    def parameters(self, encoder: ModelShape) -> int:
        return linear(encoder.dim, self.codes)

    def flops(self, encoder: ModelShape, masked: int) -> int:
        return 2 * masked * encoder.dim * self.codes

    def frame_dim(self, encoder: ModelShape) -> int:
        """Values of the frames that are quantised: of the front end's own, where they are fixed, or of stacked log-mel."""
        return STACKED * self.mels if encoder.frontend.learns else encoder.frontend.width

    def target_flops(self, encoder: ModelShape, samples: int, masked: int) -> int:
        """On masked frames the projection and the products with all code vectors; the mel filters on every log-mel frame,
        where the front end hasn't computed them."""
        quantizer = self.frame_dim(encoder) * self.code_dim + self.code_dim * self.codes
        return 2 * masked * quantizer + (filter_flops(samples, self.mels) if encoder.frontend.learns else 0)
