"""A task as fairseq would have it during training, without a corpus."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from fairseq.dataclass.configs import FairseqConfig
from omegaconf import OmegaConf

from fairseq_budget.plugin.config import BudgetConfig, PretrainingConfig
from fairseq_budget.plugin.criterion import BudgetPretrainingCriterion
from fairseq_budget.plugin.objectives import MODELS, TASKS
from tests.common import tiny_config


class Optimizer:
    """What the task needs of fairseq's."""

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()


def tiny_task(updates: int, **settings: Any) -> Any:
    """BEST-RQ's, with a tiny model and a budget of so many updates; `settings` are the task's own."""
    cfg = OmegaConf.structured(FairseqConfig)
    OmegaConf.set_struct(cfg, False)
    cfg.common.cpu = True
    cfg.task = OmegaConf.structured(PretrainingConfig(data="nowhere", budget=BudgetConfig(updates=updates), **settings))
    task: Any = TASKS["best_rq"](cfg.task)
    task.network = MODELS["best_rq"](tiny_config("best_rq"))
    task.criterion = BudgetPretrainingCriterion(task)
    task.datasets["train"] = SimpleNamespace(epoch=1)
    return task
