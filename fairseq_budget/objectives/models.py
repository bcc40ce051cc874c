"""The table of objectives: name to model class."""

from __future__ import annotations

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.sizes import check_objective
from fairseq_budget.modules.encoder import SpeechEncoder
from fairseq_budget.objectives.hubert.model import Hubert
from fairseq_budget.objectives.tera.model import Tera
from fairseq_budget.objectives.wav2vec2.model import Wav2Vec2

MODELS: dict[str, type[SpeechEncoder]] = {model.objective: model for model in (Hubert, Wav2Vec2, Tera)}


def build_model(objective: str, config: ModelConfig) -> SpeechEncoder:
    """A freshly initialised model of an objective."""
    return MODELS[check_objective(objective)](config)
