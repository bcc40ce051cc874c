"""Waveform to normalised log-mel frames, two of 10 ms side by side as one of 20 ms.

Letters: B utterances, S samples, T log-mel frames, F frames, D mel bands.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from fairseq_budget.frontends.mel.cost import MelCost
from fairseq_budget.frontends.mel.statistics import CorpusStatistics
from fairseq_budget.frontends.module import FrontendModule
from fairseq_budget.modules.log_mel import KaldiLogMel, normalise, stack_pairs


class MelFrontend(FrontendModule):
    """Kaldi's log-mel, each band normalised by the corpus or by the utterance; a frame only where its window fits.

    In fp32 whatever surrounds it, and without a parameter: the corpus's statistics are buffers, saved with the model.
    """

    def __init__(self, cost: MelCost) -> None:
        super().__init__()
        self.log_mel = KaldiLogMel(cost.bands)
        self.statistics = CorpusStatistics(cost.bands) if cost.statistics == "corpus" else None

    @property
    def needs_statistics(self) -> bool:
        return self.statistics is not None and not self.statistics.measured

    @torch.no_grad()
    def measure(self, waves: Iterable[Tensor]) -> None:
        """Mean and deviation of each band over all frames of these utterances.

        Shape: waves (T,) each.

        Raises:
            BudgetError: not a single frame.
        """
        if self.statistics is not None:
            device = self.log_mel.window.device
            self.statistics.measure(self.log_mel(wave[None].to(device))[0] for wave in waves)

    @torch.no_grad()
    def forward(self, source: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Shape: source (B, S), lengths (B,) in samples or None -> frames (B, F, 2 D), lengths (B,) in frames or None."""
        mel = self.log_mel(source)
        own = None if lengths is None else self.log_mel.frames(lengths)
        mel = normalise(mel, own) if self.statistics is None else self.statistics(mel)
        return stack_pairs(mel), None if own is None else own // 2


MODEL = MelFrontend
