"""Settings of CTC fine-tuning: those of the batch-size paper."""

from dataclasses import dataclass
from typing import ClassVar

from fairseq_budget.arithmetic.head import Head
from fairseq_budget.arithmetic.model_config import setting
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.frontends.config import SpeechConfig
from fairseq_budget.objectives.ctc.cost import CtcHead, frozen_shape
from fairseq_budget.objectives.objective import Objective

LEARNING_RATE = 5e-5
"""Of every size (Vaessen and van Leeuwen, section on fine-tuning)."""


@dataclass
class CtcConfig(SpeechConfig):
    """Settings of CTC; Vaessen and van Leeuwen (C), and the code that they released."""

    objective: ClassVar[str] = "ctc"

    checkpoint: str = setting("", "pre-trained checkpoint, of this project or of stock fairseq; empty: from scratch")
    units: int = setting(32, "symbols of the dictionary, the blank first; set by the task", (2, 2**20))
    freeze_updates: int = setting(5000, "updates in which a pre-trained Transformer isn't trained (C)", (0, 2**62))
    train_frontend: bool = setting(False, "train a pre-trained front end and its projection, too (C: never)")
    final_dropout: float = setting(0.0, "dropout before the letters")

    def head(self) -> Head:
        return CtcHead(self.units)

    def phases(self) -> list[tuple[int | None, ModelShape]]:
        if not self.checkpoint:
            return super().phases()
        later = frozen_shape(self.shape(), not self.train_frontend, False)
        return [(self.freeze_updates, frozen_shape(self.shape(), True, True)), (None, later)]


OBJECTIVE = Objective(
    name="ctc",
    title="CTC",
    marker="x",
    config=CtcConfig,
    loss_unit="bits",
    learning_rates={name: LEARNING_RATE for name in ("30", "50", "70", "small", "slim", "200", "base", "large")},
    mini_learning_rate=1e-3,
    needs_labels=True,
    pretrains=False,
)
