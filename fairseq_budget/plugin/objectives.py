"""Registers a model and a task for each objective, by the names that recipes and checkpoints have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fairseq.dataclass import FairseqDataclass
from fairseq.models import register_model
from fairseq.tasks import register_task

from fairseq_budget.objectives import FINE_TUNING, MODEL_PREFIX, OBJECTIVES, Objective, model_class
from fairseq_budget.plugin.config import LabelledConfig, PretrainingConfig
from fairseq_budget.plugin.extraction import HubertFeatures, Wav2Vec2Features
from fairseq_budget.plugin.models import ModelAdapter
from fairseq_budget.plugin.tasks import BudgetTask


def _register_model(objective: Objective) -> Any:
    """As ``budget_<name>``, with the objective's settings as Hydra reads them."""
    kind = model_class(objective.name)
    config: Any = dataclass(type(f"Budget{objective.config.__name__}", (FairseqDataclass, objective.config), {}))
    described = {"__doc__": f"{objective.title} of any size."}
    features = Wav2Vec2Features if "wav2vec2" in objective.stock_names else HubertFeatures
    adapter = type(f"Budget{kind.__name__}Model", (kind, features, ModelAdapter), described)
    return register_model(f"{MODEL_PREFIX}{objective.name}", dataclass=config)(adapter)


def _register_task(objective: Objective) -> type[BudgetTask]:
    """As ``budget_<name>_pretraining``."""
    described = {"objective": objective, "__doc__": f"Pre-training of {objective.title} on a budget."}
    kind = type(f"Budget{model_class(objective.name).__name__}Task", (BudgetTask,), described)
    config = LabelledConfig if objective.needs_labels else PretrainingConfig
    return register_task(f"{MODEL_PREFIX}{objective.name}_pretraining", dataclass=config)(kind)


MODELS: dict[str, Any] = {name: _register_model(objective) for name, objective in OBJECTIVES.items()}
"""The registered model of each objective of pre-training."""
FINE_TUNED: dict[str, Any] = {name: _register_model(objective) for name, objective in FINE_TUNING.items()}
"""The registered model of each objective of fine-tuning; tasks of theirs are in `finetuning/`."""
TASKS: dict[str, type[BudgetTask]] = {name: _register_task(objective) for name, objective in OBJECTIVES.items()}
"""The registered task of each objective."""
