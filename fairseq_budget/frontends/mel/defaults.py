"""Settings of log-mel frames.

80 bands of windows of 25 ms every 10 ms are what TERA (Liu et al. 2021) and BEST-RQ (Chiu et al. 2022) read.  Two frames
stacked to 50 Hz, and each band normalised by the training corpus, are MelHuBERT's (Lin et al. 2022; its released code has 40
bands); normalised by each utterance they are TERA's.
"""

from dataclasses import dataclass

from fairseq_budget.arithmetic.model_config import setting
from fairseq_budget.frontends.frontend import Frontend, FrontendSettings
from fairseq_budget.frontends.mel.cost import SPECTRUM_BINS, MelCost

STATISTICS = ("corpus", "utterance")
"""What a band can be normalised by."""


@dataclass
class MelSettings(FrontendSettings):
    """Log-mel frames as they are read and normalised."""

    mel_bands: int = setting(80, "mel bands of a frame of 25 ms, of which two are stacked")
    mel_statistics: str = setting(
        "corpus", "each band gets mean 0 and deviation 1 over the `corpus`, which keeps speaker and channel, or `utterance`"
    )

    def cost(self) -> MelCost:
        return MelCost(self.mel_bands, self.mel_statistics)

    def problems(self) -> list[str]:
        found = []
        if not 1 <= self.mel_bands <= SPECTRUM_BINS // 2:
            found.append(f"`model.mel_bands` must be from 1 to {SPECTRUM_BINS // 2}, but is {self.mel_bands}")
        if self.mel_statistics not in STATISTICS:
            known = " or ".join(f"`{name}`" for name in STATISTICS)
            found.append(f"`model.mel_statistics` must be {known}, but is `{self.mel_statistics}`")
        return found


FRONTEND = Frontend(name="mel", title="log-mel", settings=MelSettings)
