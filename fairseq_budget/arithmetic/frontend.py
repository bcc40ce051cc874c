"""What turns a waveform into frames: the part of a model whose cost only the front end knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FrontendCost(ABC):
    """Frames, parameters and FLOPs of a front end with its settings.

    Frozen, so that counts can be cached by shape.
    """

    name: ClassVar[str]
    """Of its folder and its recipe."""
    component: ClassVar[str]
    """What its FLOPs are called among the components of a model."""
    learns: ClassVar[bool]
    """Whether it is trained.  One that isn't has no backward pass, and its frames can be predicted."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Values of a frame."""

    @property
    @abstractmethod
    def stride(self) -> int:
        """Samples from one frame to the next."""

    @property
    @abstractmethod
    def shortest_crop(self) -> int:
        """Samples that give exactly one frame."""

    def frames(self, samples: int) -> int:
        """Frames of `samples` samples; 0 when the crop is too short."""
        return max((samples - self.shortest_crop) // self.stride + 1, 0)

    @abstractmethod
    def parameters(self) -> int:
        """Parameters that are trained, those of a norm of its frames included."""

    @abstractmethod
    def flops(self, samples: int) -> int:
        """FLOPs of the forward pass over an utterance of so many samples."""

    @abstractmethod
    def backward_flops(self, samples: int) -> int:
        """FLOPs that the backward pass executes; model FLOPs count two forward passes where it learns."""
