"""fairseq's models: thin adapters, each the plain module under a registered name."""

from __future__ import annotations

from typing import Any

import torch
from fairseq.models import BaseFairseqModel

from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.errors import ConfigError
from fairseq_budget.kernels.memory import keep_freed_memory
from fairseq_budget.modules.compiled import compile_layers
from fairseq_budget.objectives import of_model


class ModelAdapter(BaseFairseqModel):
    """Builds the plain module that it is mixed with; state dicts keep their names because nothing is wrapped."""

    @classmethod
    def build_model(cls, cfg: Any, task: Any = None) -> Any:
        """Called by fairseq; the task has already filled in what depends on the data."""
        config = of_model(cfg._name).model_config(cfg)
        _check_precision(config, task)
        network = _initialised(cls, config)
        if config.compile:
            compile_layers(network)
        if not torch.cuda.is_available():
            keep_freed_memory()
        return network


def _initialised(kind: Any, config: ModelConfig) -> Any:
    """The module with its first weights: by `model.init_seed`, or by the numbers that fairseq has seeded for the run."""
    if config.init_seed < 0:
        return kind(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.init_seed)
        return kind(config)


def _check_precision(config: ModelConfig, task: Any) -> None:
    """fairseq's half precision and ours exclude each other."""
    common = getattr(task, "root", {}).get("common") or {}
    chosen = [f"`common.{name}`" for name in ("fp16", "bf16", "amp") if common.get(name)]
    if chosen and config.autocast != "none":
        raise ConfigError(
            f"{' and '.join(chosen)} and `model.autocast={config.autocast}` each set a precision: "
            "leave one away, or take a recipe (`device=cuda`, `device=cuda_bf16`, `device=cpu_bf16`)"
        )
