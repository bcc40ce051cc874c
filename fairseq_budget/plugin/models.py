"""fairseq's models: thin adapters, each the plain module under a registered name."""

from __future__ import annotations

from typing import Any

from fairseq.models import BaseFairseqModel, register_model

from fairseq_budget.modules.config import model_config
from fairseq_budget.modules.hubert import Hubert
from fairseq_budget.modules.tera import Tera
from fairseq_budget.modules.wav2vec2 import Wav2Vec2
from fairseq_budget.plugin.config import BudgetModelConfig


class _Adapter(BaseFairseqModel):
    """Builds the plain module that it is mixed with; state dicts keep their names because nothing is wrapped."""

    @classmethod
    def build_model(cls, cfg: Any, task: Any = None) -> Any:
        """Called by fairseq; the task has already filled in what depends on the data."""
        return cls(model_config(cfg))


@register_model("budget_hubert", dataclass=BudgetModelConfig)
class BudgetHubertModel(Hubert, _Adapter):
    """HuBERT of any size."""


@register_model("budget_wav2vec2", dataclass=BudgetModelConfig)
class BudgetWav2Vec2Model(Wav2Vec2, _Adapter):
    """wav2vec 2.0 of any size."""


@register_model("budget_tera", dataclass=BudgetModelConfig)
class BudgetTeraModel(Tera, _Adapter):
    """TERA of any size."""
