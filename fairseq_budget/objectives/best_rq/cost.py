"""Cost of BEST-RQ's head and of its targets, by the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.arithmetic.head import Head, linear
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.units import SAMPLE_RATE

WINDOW, SHIFT = SAMPLE_RATE * 25 // 1000, SAMPLE_RATE * 10 // 1000
"""Samples of a log-mel frame, and from one to the next."""
SPECTRUM_BINS = 256
"""Of the power spectrum that the mel filters are multiplied with."""
STACKED = 2
"""Log-mel frames in a frame of the encoder: 100 Hz to 50 Hz."""


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

    def target_flops(self, encoder: ModelShape, samples: int, masked: int) -> int:
        """Mel filters on every log-mel frame; on masked frames the projection and the products with all code vectors."""
        frames = max(0, (samples - WINDOW) // SHIFT + 1)
        quantizer = STACKED * self.mels * self.code_dim + self.code_dim * self.codes
        return 2 * (frames * SPECTRUM_BINS * self.mels + masked * quantizer)
