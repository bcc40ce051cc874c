"""Cost of HuBERT's head, by the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.arithmetic.head import Head, linear
from fairseq_budget.arithmetic.shape import ModelShape


@dataclass(frozen=True)
class HubertHead(Head):
    """A projection, and the product with an embedding of each class (Hsu et al. 2021, equation 3)."""

    classes: int = 504
    """500 k-means clusters of the second round and the four special symbols of fairseq's dictionary."""

    @property
    def labels(self) -> int:
        return self.classes

    def parameters(self, encoder: ModelShape) -> int:
        return linear(encoder.dim, encoder.final_dim) + self.classes * encoder.final_dim

    def flops(self, encoder: ModelShape, masked: int) -> int:
        return 2 * masked * (encoder.dim * encoder.final_dim + encoder.final_dim * self.classes)
