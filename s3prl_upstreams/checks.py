"""What is wrong with a run before it starts: s3prl itself would fail late, far from the cause, or wait for ever."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import torch

from fairseq_budget.corpora.superb import places
from fairseq_budget.errors import BudgetError
from fairseq_budget.nesting import check_nesting, parts_of
from s3prl_upstreams import completeness
from s3prl_upstreams.tasks import Task, task_of
from s3prl_upstreams.tasks.base import Config

PLAIN = (str, int, float, bool, type(None), dict, list, tuple, date, Path)


def prepare(args: Namespace, config: Config, allow_incomplete: bool = False) -> None:
    """Make a run ready: environment variables into the paths of `config`, checks, and what its task needs fixed in s3prl.

    With `allow_incomplete`, files that are missing are left out of the task's lists, and `config` says so.

    Raises:
        BudgetError: what can't work, with what to change.
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


def put_right(args: Namespace, config: Config) -> None:
    """The same without checks, which ask for more than s3prl's own launcher does: paths, and what the task needs fixed."""
    config["downstream_expert"] = expand(config.get("downstream_expert", {}))
    task = task_of(args.downstream, config)
    for fix in () if task is None else task.fixes:
        fix(config)


def refuse_all_but_data(args: Namespace, config: Any) -> None:
    """Refuse settings, out of a recipe or a checkpoint, that hold more than plain values or that lead s3prl to code.

    Raises:
        BudgetError: a setting that is refused, with what to change.
    """
    told = vars(args)
    saved_by = told.get("past_exp") or told.get("init_ckpt")
    file = f"`{saved_by or told.get('config')}`"
    try:
        for settings in (config, told):
            check_nesting(settings)
            _refuse_objects(settings)
    except ValueError as error:
        raise BudgetError(f"the configuration in {file} can't be used: {error}") from error
    if not isinstance(config, dict):
        raise BudgetError(f"the configuration in {file} must be a dictionary of settings: give another file")
    if saved_by and _from_elsewhere(told):
        raise BudgetError(
            f"{file} asks s3prl to fetch an upstream and run its code, or to publish files: it isn't used; "
            "train a head of your own"
        )


def _from_elsewhere(args: dict[str, Any]) -> bool:
    is_url = any("://" in str(args.get(name)) for name in ("upstream_ckpt", "upstream_model_config"))
    return is_url or args.get("hub") == "huggingface" or bool(args.get("from_hf_hub") or args.get("push_to_hf_hub"))


def _refuse_objects(value: Any) -> None:
    for part in [*parts_of(value), value]:
        if not isinstance(part, PLAIN):
            raise ValueError(f"it holds a {type(part).__name__}, not only texts, numbers, lists and dictionaries")
        if part is not value and isinstance(part, dict | list | tuple):
            _refuse_objects(part)


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
