"""What is wrong with a run before it starts: s3prl itself would fail late, far from the cause, or wait for ever."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fairseq_budget.corpora.superb import places
from fairseq_budget.errors import BudgetError
from s3prl_upstreams import completeness
from s3prl_upstreams.tasks import Task, task_of
from s3prl_upstreams.tasks.base import Config


def prepare(args: Namespace, config: Config, allow_incomplete: bool = False) -> None:
    """Make a run ready: environment variables into the paths of `config`, checks, and what its task needs fixed in s3prl.

    With `allow_incomplete`, files that are missing are left out of the task's lists, and `config` says so.
    Raises BudgetError with what to change.
    """
    if str(args.device).startswith("cuda") and not torch.cuda.is_available():
        raise BudgetError(f"`--device {args.device}`, but torch finds no CUDA device: add `--device cpu`")
    raw = config.get("downstream_expert", {})
    config["downstream_expert"] = expand(raw)
    task = task_of(args.downstream, config)
    if task is not None:
        for key, is_wanted in task.paths.items():
            _check_path(task, key, is_wanted, _value(raw, key), args)
        for check in task.checks:
            check(args, config["downstream_expert"])
        completeness.compare(task, args, config, allow_incomplete)
        for fix in task.fixes:
            fix(config)


def expand(value: Any) -> Any:
    """`value` with the variables in its strings replaced (see `places`); those that are not set stay as they are."""
    if isinstance(value, dict):
        return {key: expand(item) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item) for item in value]
    return places.expand(value) if isinstance(value, str) else value


def _value(raw: Config, key: str) -> Any:
    """What stands in the configuration under a dotted key; None for nothing."""
    value: Any = raw
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _check_path(task: Task, key: str, is_wanted: Callable[[Path], bool], value: Any, args: Namespace) -> None:
    """BudgetError if a path, or one of a list, isn't there."""
    for text in value if isinstance(value, list) and value else [value]:
        found = places.expand(text) if isinstance(text, str) else ""
        if found and is_wanted(Path(found)):
            continue
        kind = "folder" if is_wanted == Path.is_dir else "file"
        raise BudgetError(
            f"`{key.rpartition('.')[2]}` of `-d {args.downstream}` must be a {kind}, but is `{found or text}`: "
            f"{places.remedy(str(text), task.name)}, or give it with -o \"config.downstream_expert.{key}='PATH'\""
        )
