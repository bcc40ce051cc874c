"""Settings of wav2vec 2.0: the published values."""

import math
from dataclasses import dataclass
from typing import ClassVar

from fairseq_budget.arithmetic.head import Head
from fairseq_budget.arithmetic.model_config import WIDEST, setting
from fairseq_budget.frontends.config import SpeechConfig
from fairseq_budget.objectives.objective import MINI_LEARNING_RATE, NOMINAL_PERCENTS, Objective
from fairseq_budget.objectives.wav2vec2.cost import Wav2Vec2Head


@dataclass
class Wav2Vec2Config(SpeechConfig):
    """wav2vec 2.0's own settings; Baevski et al. 2020."""

    objective: ClassVar[str] = "wav2vec2"

    mask_prob: float = setting(0.65, "masked spans x span / frames")
    latent_vars: int = setting(320, "entries of a codebook")
    latent_groups: int = setting(2, "codebooks")
    latent_dim: int = setting(0, "width of a quantised target; 0 means final_dim", (0, WIDEST))
    latent_temp: tuple[float, float, float] = setting((2.0, 0.5, 0.999995), "Gumbel temperature: first, last, decay")
    num_negatives: int = setting(100, "distractors, drawn from the same utterance", (0, WIDEST))

    diversity_weight: float = setting(0.1, "weight of the diversity loss (A and C; C: 0.05 for batches of 87.5 s)")
    penalties_once: bool = setting(
        False,
        "add diversity and features penalty once a batch, with unused codewords as a number (C), instead of for each masked "
        "frame, with their share (A, fairseq)",
    )

    def problems(self) -> list[str]:
        if not 0 <= self.diversity_weight < math.inf:
            return [*super().problems(), f"`model.diversity_weight` must be at least 0, but is {self.diversity_weight}"]
        return super().problems()

    def guessing_loss(self) -> float:
        """Bits of a choice between the positive and the distractors."""
        return math.log2(1 + self.num_negatives)

    def head(self) -> Head:
        return Wav2Vec2Head(self.latent_groups, self.latent_vars, self.latent_dim, self.num_negatives)


OBJECTIVE = Objective(
    name="wav2vec2",
    title="wav2vec 2.0",
    marker="s",
    config=Wav2Vec2Config,
    loss_unit="bits",
    own_term="loss_contrastive",
    stock_names=("wav2vec2",),
    # Liu et al. 2024, table 4 (percents) and its authors' released configurations (learning rates)
    learning_rates={
        "30": 4e-4,
        "50": 4e-4,
        "70": 4e-4,
        "small": 5e-4,
        "slim": 4e-4,
        "200": 3e-4,
        "base": 2e-4,
        "large": 1e-4,
    },
    # as its published rates: four fifths of HuBERT's
    mini_learning_rate=0.8 * MINI_LEARNING_RATE,
    percents={**NOMINAL_PERCENTS, "base": 467, "large": 1559},
)
