"""Settings of BEST-RQ: the published quantizer on the study's encoder."""

from dataclasses import dataclass
from typing import ClassVar

from fairseq_budget.arithmetic.model_config import setting
from fairseq_budget.frontends.config import SpeechConfig
from fairseq_budget.objectives.best_rq.cost import BestRQHead
from fairseq_budget.objectives.hubert.defaults import OBJECTIVE as HUBERT
from fairseq_budget.objectives.objective import Objective

LARGEST_CODEBOOK = 2**24
"""Numbers of the frozen codebook; the published one has 2^17."""


@dataclass
class BestRQConfig(SpeechConfig):
    """BEST-RQ's own settings; Chiu et al. 2022, section 4.2.1, unless said otherwise."""

    objective: ClassVar[str] = "best_rq"

    codes: int = setting(8192, "vectors of the one codebook")
    code_dim: int = setting(16, "width of a code vector")
    mels: int = setting(80, "mel bands of a target frame, of which two are stacked; a mel front end predicts its own frames")
    quantizer_seed: int = setting(
        0, "seed of projection and codebook: models with the same one predict the same codes", (0, 2**63 - 1)
    )

    def head(self) -> BestRQHead:
        return BestRQHead(self.codes, self.code_dim, self.mels)

    def problems(self) -> list[str]:
        found = super().problems()
        if self.codes * self.code_dim > LARGEST_CODEBOOK:
            sizes = f"{self.codes:,} x {self.code_dim:,}"
            found.append(f"`model.codes` x `model.code_dim` must be at most {LARGEST_CODEBOOK:,} numbers, but is {sizes}")
        return found


OBJECTIVE = Objective(
    name="best_rq",
    title="BEST-RQ",
    marker="v",
    config=BestRQConfig,
    loss_unit="bits",
    # nobody has published rates for these sizes: those of HuBERT, which predicts classes of masked frames, too
    learning_rates=HUBERT.learning_rates,
)
