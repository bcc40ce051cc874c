"""A task on a folder of the user's: prepared beside the results, and given to s3prl in place of what ``$SUPERB`` holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from fairseq_budget.corpora.superb import places
from fairseq_budget.corpora.superb.prepare import prepare
from fairseq_budget.errors import ConfigError
from fairseq_budget.recipes import recipes_dir
from s3prl_upstreams.tasks import Task, get_task

FOLDER = "corpora"
"""Beside the tasks' folders."""


def prepared(name: str, folder: Path, out: Path) -> tuple[list[str], list[str]]:
    """Prepare `folder` for the task called `name`; returns s3prl's ``-o`` that lead to it, and a line on what was made.

    Raises:
        ConfigError: there is no such task, or its recipe reads a corpus as it was published.
        BudgetError: what the task needs isn't in the folder.
    """
    task = get_task(name)
    if set(task.corpora) != {places.BASE}:
        raise ConfigError(
            f"`--task {name}`: its corpus is that of {' and '.join(task.corpora)}; set those and use `--tasks {name}`, or "
            "choose `keywords` or `speakers`"
        )
    base = out.resolve() / FOLDER
    made = prepare(name, folder, base)
    return [f"{name}:{override}" for override in _overrides(task, base)], made


def _overrides(task: Task, base: Path) -> list[str]:
    recipe = yaml.safe_load((recipes_dir() / "superb" / task.recipe).read_text(encoding="utf-8"))
    known = {**os.environ, places.BASE: str(base)}
    return [
        f"config.downstream_expert.{key}={places.expand(_value(recipe['downstream_expert'], key), known)!r}"
        for key in task.paths
    ]


def _value(expert: dict[str, Any], key: str) -> str:
    value: Any = expert
    for part in key.split("."):
        value = value[part]
    return str(value)
