"""The tasks of SUPERB: a file for each, found by itself.

A file holds all that its task is: an object `TASK` (see `base.py`), with its checks, its fixes of s3prl and its scorer.  A
new task is a file here and a recipe; its corpus has a place in `fairseq_budget/corpora/superb`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from fairseq_budget.errors import unknown_name
from s3prl_upstreams.tasks.base import Metric, ModelSelection, Task

__all__ = ["TASKS", "Metric", "ModelSelection", "Task", "get_task", "task_of"]

ORDER = ("pr", "asr", "asr_zh", "ks", "ks35", "ic", "sf", "sid", "asv", "sd", "er", "qbe", "keywords", "speakers")
"""In which tasks are listed: content, semantics, speaker, others; further tasks follow by name."""


def _find() -> dict[str, Task]:
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    found = {module.TASK.name: module.TASK for module in modules if hasattr(module, "TASK")}
    return {name: found[name] for name in [*ORDER, *sorted(found.keys() - set(ORDER))]}


TASKS: dict[str, Task] = _find()
"""By name, which is also that of its recipe."""


def get_task(name: str) -> Task:
    """The task called `name`; ConfigError with the known names if there is none."""
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]


def task_of(downstream: str, config: Mapping[str, Any]) -> Task | None:
    """The task that a run of s3prl is, by its ``-d`` and its configuration; None for one that isn't in the table."""
    expert = config.get("downstream_expert") or {}
    return next((task for task in TASKS.values() if task.downstream == downstream and task.is_meant(expert)), None)
