"""Settings of TERA: the published values."""

from dataclasses import dataclass
from typing import ClassVar

from fairseq_budget.arithmetic.model_config import setting
from fairseq_budget.frontends.config import SpeechConfig
from fairseq_budget.objectives.objective import (
    LARGE_AS_THE_OTHERS,
    LARGE_SAMPLES_PER_BATCH,
    NOMINAL_PERCENTS,
    Objective,
)
from fairseq_budget.objectives.tera.cost import TeraHead


@dataclass
class TeraConfig(SpeechConfig):
    """TERA's own setting; Liu et al. 2024."""

    objective: ClassVar[str] = "tera"

    target_dim: int = setting(78, "values of two stacked frames of 39 MFCC values; a front end's fixed frames replace them")

    def head(self) -> TeraHead:
        return TeraHead(self.target_dim)


OBJECTIVE = Objective(
    name="tera",
    title="TERA",
    marker="^",
    config=TeraConfig,
    loss_unit="L1",
    own_term="loss_reconstruction",
    # Liu et al. 2024, table 4 (percents) and its authors' released configurations (learning rates)
    learning_rates={
        "30": 5e-4,
        "50": 5e-4,
        "70": 5e-4,
        "small": 5e-4,
        "slim": 5e-4,
        "200": 4e-4,
        "base": 3e-4,
        "large": 5e-5,
    },
    percents={**NOMINAL_PERCENTS, "base": 476, "large": 1590},
    samples_per_batch=LARGE_SAMPLES_PER_BATCH,
    # unlike the others' Large, with the scaled gradients of its smaller sizes (released configuration)
    unregularised={**LARGE_AS_THE_OTHERS, "feature_grad_mult": 0.1},
)
