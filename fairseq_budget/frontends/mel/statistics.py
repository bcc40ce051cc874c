"""Mean and deviation of each mel band over a corpus.

Letters: T log-mel frames, D mel bands.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from fairseq_budget.errors import BudgetError
from fairseq_budget.kernels.precision import ExactBuffers
from fairseq_budget.modules.log_mel import SMALLEST_DEVIATION


class CorpusStatistics(ExactBuffers):
    """Normalises by what was measured once; before that, frames stay as they are, which is enough to time a step.

    Shape: mean and deviation (D,), measured ().
    """

    mean: Tensor
    deviation: Tensor
    measured: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("deviation", torch.ones(bands))
        self.register_buffer("measured", torch.tensor(False))

    def measure(self, utterances: Iterable[Tensor]) -> None:
        """Sums are taken in double precision.

        Shape: utterances (T, D) each.

        Raises:
            BudgetError: not a single frame.
        """
        count, total, square = 0, torch.zeros_like(self.mean).double(), torch.zeros_like(self.mean).double()
        for mel in (mel.double() for mel in utterances):
            count, total, square = count + len(mel), total + mel.sum(0), square + mel.square().sum(0)
        if not count:
            raise BudgetError("mel bands cannot be normalised by the corpus: no utterance of it gives a frame")
        mean = total / count
        self.mean.copy_(mean)
        self.deviation.copy_((square / count - mean.square()).clamp(min=0).sqrt().clamp(min=SMALLEST_DEVIATION))
        self.measured.fill_(True)

    def forward(self, mel: Tensor) -> Tensor:
        """Shape: (..., D) -> (..., D)."""
        return (mel - self.mean) / self.deviation
