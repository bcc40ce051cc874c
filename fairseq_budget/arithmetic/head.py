"""What an objective adds to the encoder: the part of a model whose cost only the objective knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from fairseq_budget.arithmetic.shape import ModelShape


def linear(inputs: int, outputs: int) -> int:
    """Parameters of a linear layer with a bias."""
    return inputs * outputs + outputs


@dataclass(frozen=True)
class Head(ABC):
    """Cost of an objective's head on an encoder of some shape.

    Frozen, so that counts can be cached by shape.
    """

    scores_every_frame: ClassVar[bool] = False
    """Whether it is computed on every frame, rather than on the masked ones."""

    @property
    def labels(self) -> int:
        """How many labels a frame may have, special symbols included; 0 for an objective without labels."""
        return 0

    @abstractmethod
    def parameters(self, encoder: ModelShape) -> int:
        """Parameters that are trained beside the encoder's."""

    @abstractmethod
    def flops(self, encoder: ModelShape, masked: int) -> int:
        """FLOPs of the head's forward pass over `masked` frames; its backward pass costs twice as many."""

    def flops_on_frames(self, encoder: ModelShape, masked: int) -> int:
        """The part of :meth:`flops` that multiplies the front end's own frames; 0 by default."""
        return 0

    def target_flops(self, encoder: ModelShape, samples: int, masked: int) -> int:
        """FLOPs of making the targets of an utterance of `samples` samples, which have no backward pass; 0 by default."""
        return 0
