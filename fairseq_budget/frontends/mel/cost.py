"""Cost of log-mel frames, by the standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fairseq_budget.arithmetic.frontend import FrontendCost
from fairseq_budget.arithmetic.units import SAMPLE_RATE

WINDOW, SHIFT = SAMPLE_RATE * 25 // 1000, SAMPLE_RATE * 10 // 1000
"""Samples of a log-mel frame, and from one to the next."""
SPECTRUM_BINS = 256
"""Of the power spectrum that the mel filters are multiplied with."""
STACKED = 2
"""Log-mel frames in a frame of the encoder: 100 Hz to 50 Hz."""


def filter_flops(samples: int, bands: int) -> int:
    """FLOPs of the mel filters: a product with the power spectrum of every log-mel frame, ``2 * T * 256 * bands``.

    The Fourier transform is no matrix product and doesn't count by the convention, as norms don't: by its usual estimate of
    5 N log2 N (N = 512) it would add 56% to the product with 80 bands.
    """
    return 2 * max(0, (samples - WINDOW) // SHIFT + 1) * SPECTRUM_BINS * bands


@dataclass(frozen=True)
class MelCost(FrontendCost):
    """Two stacked log-mel frames, in which nothing is trained: the filters run forward once."""

    name: ClassVar[str] = "mel"
    component: ClassVar[str] = "filters"
    learns: ClassVar[bool] = False

    bands: int = 80
    statistics: str = "corpus"
    """Whose mean and deviation normalise a band: of the corpus, or of each utterance."""

    @property
    def width(self) -> int:
        return STACKED * self.bands

    @property
    def stride(self) -> int:
        return STACKED * SHIFT

    @property
    def shortest_crop(self) -> int:
        return WINDOW + (STACKED - 1) * SHIFT

    def parameters(self) -> int:
        """None; frames come normalised, without a layer norm."""
        return 0

    def flops(self, samples: int) -> int:
        return filter_flops(samples, self.bands)

    def backward_flops(self, samples: int) -> int:
        """Nothing is trained."""
        return 0
