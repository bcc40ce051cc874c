"""Settings of HuBERT: the published values."""

from dataclasses import dataclass
from typing import ClassVar

from fairseq_budget.arithmetic.head import Head
from fairseq_budget.arithmetic.model_config import setting
from fairseq_budget.frontends.config import SpeechConfig
from fairseq_budget.objectives.hubert.cost import HubertHead
from fairseq_budget.objectives.objective import LARGE_SAMPLES_PER_BATCH, NOMINAL_PERCENTS, Objective


@dataclass
class HubertConfig(SpeechConfig):
    """HuBERT's own settings; Hsu et al. 2021."""

    objective: ClassVar[str] = "hubert"

    num_classes: int = setting(
        504, "symbols of the dictionary with fairseq's four special ones; set by the task", (1, 2**20)
    )
    label_rate: float = setting(50.0, "labels per second; the task sets it")

    def head(self) -> Head:
        return HubertHead(self.num_classes)


OBJECTIVE = Objective(
    name="hubert",
    title="HuBERT",
    marker="o",
    config=HubertConfig,
    loss_unit="bits",
    needs_labels=True,
    stock_names=("hubert",),
    # Liu et al. 2024, table 4 (percents) and its authors' released configurations (learning rates)
    learning_rates={
        "30": 5e-4,
        "50": 5e-4,
        "70": 5e-4,
        "small": 5e-4,
        "slim": 5e-4,
        "200": 4e-4,
        "base": 3e-4,
        "large": 2e-4,
    },
    percents={**NOMINAL_PERCENTS, "base": 473, "large": 1582},
    samples_per_batch=LARGE_SAMPLES_PER_BATCH,
    # fairseq's HuBERT Large: norms before the blocks and after every convolution, normalised waves
    unregularised={"layer_norm_first": True, "extractor_mode": "layer_norm", "normalize": True},
)
