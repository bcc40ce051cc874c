"""Cost of a CTC head, by the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fairseq_budget.arithmetic.head import Head, linear
from fairseq_budget.arithmetic.shape import ModelShape


@dataclass(frozen=True)
class CtcHead(Head):
    """A linear layer over every frame; the dynamic programme of the loss holds no matrix product, so it counts nothing."""

    scores_every_frame: ClassVar[bool] = True

    units: int = 32
    """Symbols of the dictionary, the blank among them."""

    @property
    def labels(self) -> int:
        return self.units

    def parameters(self, encoder: ModelShape) -> int:
        return linear(encoder.dim, self.units)

    def flops(self, encoder: ModelShape, masked: int) -> int:
        return 2 * masked * encoder.dim * self.units
