"""fairseq's own trainer in this process, with a recipe: for what can only be measured around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairseq.tasks import setup_task
from fairseq.trainer import Trainer
from omegaconf import DictConfig, OmegaConf

from fairseq_budget.bench.workload import compose_recipe
from fairseq_budget.objectives import get_objective
from fairseq_budget.plugin.tasks import BudgetTask

_ENDLESS = ("task.budget.updates=1000000000", "checkpoint.no_save=true")


@dataclass(frozen=True)
class TimedRun:
    """A run that can begin: what ``fairseq_cli.train`` builds of a recipe."""

    recipe: DictConfig
    task: BudgetTask
    criterion: Any
    trainer: Trainer


def build_run(objective: str, size: str, overrides: Sequence[str], device_type: str) -> TimedRun:
    """Build it.  No data set is loaded yet, its budget is out of reach, and nothing is saved."""
    chosen = ["budget=custom"] if get_objective(objective).pretrains else []
    composed = compose_recipe(objective, size, (*chosen, *_ENDLESS, *overrides), device_type)
    # the task writes into its recipe
    recipe: Any = OmegaConf.create(OmegaConf.to_container(composed))
    task = setup_task(recipe.task)
    model, criterion = task.build_model(recipe.model), task.build_criterion(recipe.criterion)
    return TimedRun(recipe, task, criterion, Trainer(recipe, task, model, criterion))
