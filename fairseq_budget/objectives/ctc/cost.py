"""Cost of a CTC head, by the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from fairseq_budget.arithmetic.head import Head, linear
from fairseq_budget.arithmetic.shape import ModelShape

ENCODER = frozenset({"positional", "linear", "attention"})
"""Components of :func:`~fairseq_budget.arithmetic.flops.forward_flops` that a frozen Transformer runs forward only."""


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


def frozen_shape(shape: ModelShape, frontend: bool, encoder: bool) -> ModelShape:
    """The shape whose parts run forward only: what a step costs in a phase of fine-tuning."""
    parts = frozenset({shape.frontend.component, "projection"}) if frontend else frozenset()
    return replace(shape, frozen=parts | (ENCODER if encoder else frozenset()))
