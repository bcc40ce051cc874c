"""What has to be known of a front end, wherever one is asked for by name.

Needs the standard library alone: planning and help pages ask here without importing torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from fairseq_budget.arithmetic.frontend import FrontendCost


@dataclass
class FrontendSettings(ABC):
    """A front end's own settings: fields with defaults, which a model's configuration has under the same names."""

    @abstractmethod
    def cost(self) -> FrontendCost:
        """Frames, parameters and FLOPs with these settings."""

    @abstractmethod
    def problems(self) -> list[str]:
        """What is wrong with them."""


@dataclass(frozen=True)
class Frontend:
    """A front end as its folder describes it."""

    name: str
    """Of its folder and its recipe."""
    title: str
    """As it is written in text."""
    settings: type[FrontendSettings]
