"""What a model predicts and how it is scored: a folder for each objective, found by itself.

A folder has three files: ``defaults.py`` (settings and learning rates; an `OBJECTIVE`), ``cost.py`` (parameters and FLOPs of
its head) and ``model.py`` (a `MODEL`, a subclass of :class:`~fairseq_budget.modules.encoder.SpeechEncoder`).  The first two
need the standard library alone, and so does this registry: torch is imported when a model is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import Size
from fairseq_budget.errors import ConfigError, unknown_name
from fairseq_budget.objectives.objective import Objective

if TYPE_CHECKING:
    from fairseq_budget.modules.encoder import SpeechEncoder

MODEL_PREFIX = "budget_"
"""How the names of registered models and of upstreams begin."""

STUDIED = ("hubert", "wav2vec2", "tera")
"""The objectives of Liu et al. 2024, in the order of its tables; others follow by name."""


def _find() -> dict[str, Objective]:
    names = {module.name for module in iter_modules(__path__) if module.ispkg}
    ordered = [*(name for name in STUDIED if name in names), *sorted(names.difference(STUDIED))]
    return {name: import_module(f"{__name__}.{name}.defaults").OBJECTIVE for name in ordered}


_FOUND = _find()
OBJECTIVES: dict[str, Objective] = {name: objective for name, objective in _FOUND.items() if objective.pretrains}
"""What models are pre-trained by."""
FINE_TUNING: dict[str, Objective] = {name: objective for name, objective in _FOUND.items() if not objective.pretrains}
"""What pre-trained models are fine-tuned by."""


def get_objective(name: str) -> Objective:
    """The objective called `name`; an unknown name is an error that lists those of pre-training."""
    known = OBJECTIVES | FINE_TUNING
    if name not in known:
        raise unknown_name("objective", name, OBJECTIVES)
    return known[name]


def of_model(name: str) -> Objective:
    """The objective that a registered model of ours, or one of stock fairseq's, stands for."""
    everything = [*OBJECTIVES.values(), *FINE_TUNING.values()]
    known = {f"{MODEL_PREFIX}{objective.name}": objective for objective in everything}
    known |= {stock: objective for objective in everything for stock in objective.stock_names}
    if name not in known:
        raise ConfigError(f"no model called `{name}` is known here: expected one of {', '.join(known)}")
    return known[name]


def shape_of(objective: str, size: Size, **settings: Any) -> ModelShape:
    """The shape of a row of the size table under an objective."""
    return get_objective(objective).shape(size, **settings)


def model_config(objective: str, settings: Any) -> ModelConfig:
    """A model's configuration from any mapping or object with such fields."""
    return get_objective(objective).model_config(settings)


def model_class(objective: str) -> type[SpeechEncoder]:
    """The model of an objective; imports torch."""
    kind: type[SpeechEncoder] = import_module(f"{__name__}.{get_objective(objective).name}.model").MODEL
    return kind


def build_model(objective: str, config: ModelConfig) -> SpeechEncoder:
    """A freshly initialised model of an objective."""
    return model_class(objective)(config)
