"""fairseq's models: thin adapters, each the plain module under a registered name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.models import BaseFairseqModel, register_model

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.errors import ConfigError
from fairseq_budget.kernels.memory import keep_freed_memory
from fairseq_budget.modules.compiled import compile_layers
from fairseq_budget.objectives import MODEL_PREFIX, OBJECTIVES, Objective, model_class, of_model


class _Adapter(BaseFairseqModel):
    """Builds the plain module that it is mixed with; state dicts keep their names because nothing is wrapped."""

    @classmethod
    def build_model(cls, cfg: Any, task: Any = None) -> Any:
        """Called by fairseq; the task has already filled in what depends on the data."""
        config = of_model(cfg._name).model_config(cfg)
        _check_precision(config, task)
        network = cls(config)
        if config.compile:
            compile_layers(network)
        if not torch.cuda.is_available():
            keep_freed_memory()
        return network


def _check_precision(config: ModelConfig, task: Any) -> None:
    """fairseq's half precision and ours exclude each other."""
    common = getattr(task, "root", {}).get("common") or {}
    chosen = [f"`common.{name}`" for name in ("fp16", "bf16", "amp") if common.get(name)]
    if chosen and config.autocast != "none":
        raise ConfigError(
            f"{' and '.join(chosen)} and `model.autocast={config.autocast}` each set a precision: "
            "leave one away, or take a recipe (`device=cuda`, `device=cuda_bf16`, `device=cpu_bf16`)"
        )


def _register(objective: Objective) -> type[BaseFairseqModel]:
    """Register the model of an objective as ``budget_<name>``, with its settings as Hydra reads them."""
    kind = model_class(objective.name)
    config = dataclass(type(f"Budget{objective.config.__name__}", (FairseqDataclass, objective.config), {}))
    adapter = type(f"Budget{kind.__name__}Model", (kind, _Adapter), {"__doc__": f"{objective.title} of any size."})
    return register_model(f"{MODEL_PREFIX}{objective.name}", dataclass=config)(adapter)


MODELS: dict[str, Any] = {name: _register(objective) for name, objective in OBJECTIVES.items()}
"""The registered model of each objective."""
