"""What the cost of a model depends on, and how many frames a crop gives."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.arithmetic.frontend import FrontendCost
from fairseq_budget.arithmetic.head import Head


@dataclass(frozen=True)
class ModelShape:
    """Everything that parameters and FLOPs are counted from.

    The defaults are the published ones: 128-wide positional convolution in 16 groups (Baevski et al. 2020), spans of 10
    frames that cover 80% of an utterance before they overlap (Hsu et al. 2021).
    """

    objective: str
    head: Head
    frontend: FrontendCost
    layers: int
    dim: int
    ffn: int
    heads: int
    final_dim: int = 256
    pos_kernel: int = 128
    pos_groups: int = 16
    mask_prob: float = 0.8
    mask_length: int = 10
    frozen: frozenset[str] = frozenset()
    """Components that aren't trained, though they could be: they run forward only."""

    def frames(self, samples: int) -> int:
        """Frames that the front end makes of `samples` samples; 0 when the crop is too short."""
        return self.frontend.frames(samples)

    @property
    def stride(self) -> int:
        """Samples from one frame to the next."""
        return self.frontend.stride

    @property
    def shortest_crop(self) -> int:
        """Samples that give exactly one frame."""
        return self.frontend.shortest_crop
