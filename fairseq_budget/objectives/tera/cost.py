"""Cost of TERA's head, by the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.arithmetic.head import Head, linear
from fairseq_budget.arithmetic.shape import ModelShape


@dataclass(frozen=True)
class TeraHead(Head):
    """One linear layer (Liu et al. 2024)."""

    mfcc_dim: int = 78
    """Values of a target frame of MFCC."""

    def target_dim(self, encoder: ModelShape) -> int:
        """Values of a target frame: of the front end's own, where they are fixed (Liu et al. 2021), or of MFCC."""
        return self.mfcc_dim if encoder.frontend.learns else encoder.frontend.width

    def parameters(self, encoder: ModelShape) -> int:
        return linear(encoder.dim, self.target_dim(encoder))

    def flops(self, encoder: ModelShape, masked: int) -> int:
        return 2 * masked * encoder.dim * self.target_dim(encoder)
