"""What is wrong with a run before it starts: s3prl itself would fail late, far from the cause, or wait for ever."""

from __future__ import annotations

import importlib
import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fairseq_budget.errors import BudgetError

Config = dict[str, Any]


def prepare(args: Namespace, config: Config) -> None:
    """Put environment variables into the paths of `config`, then check device, corpus and batch size.

    Raises BudgetError with what to change.
    """
    if str(args.device).startswith("cuda") and not torch.cuda.is_available():
        raise BudgetError(f"`--device {args.device}`, but torch finds no CUDA device: add `--device cpu`")
    config["downstream_expert"] = expand(config.get("downstream_expert", {}))
    for check in CHECKS.get(args.downstream, ()):
        check(args, config)


def expand(value: Any) -> Any:
    """`value` with ``$NAME`` and ``${NAME}`` in its strings replaced; names that are not set stay as they are."""
    if isinstance(value, dict):
        return {key: expand(item) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item) for item in value]
    return os.path.expandvars(value) if isinstance(value, str) else value


def _folders(*keys: str) -> Callable[[Namespace, Config], None]:
    """A check that ``datarc``'s `keys` name folders that exist."""

    def check(args: Namespace, config: Config) -> None:
        datarc = config["downstream_expert"].get("datarc", {})
        for key in keys:
            if not Path(str(datarc.get(key, ""))).is_dir() or not datarc.get(key):
                raise BudgetError(
                    f"`{key}` of `-d {args.downstream}` must be a folder, but is `{datarc.get(key)}`: "
                    f"give it with -o \"config.downstream_expert.datarc.{key}='PATH'\""
                )

    return check


def _a_whole_batch(args: Namespace, config: Config) -> None:
    """KS drops its last, incomplete batch; with no complete one, s3prl would loop over nothing for ever."""
    if args.mode != "train":
        return
    datarc = config["downstream_expert"]["datarc"]
    root = datarc["speech_commands_root"]
    split_dataset = importlib.import_module("s3prl.downstream.speech_commands.expert").split_dataset
    items = len(split_dataset(root)[0]) + len(list(Path(root, "_background_noise_").glob("*.wav")))
    if items < datarc["batch_size"]:
        raise BudgetError(
            f"`{root}` has {items} files for training, less than one batch of {datarc['batch_size']}: "
            f"add -o config.downstream_expert.datarc.batch_size={max(1, items)} or use a larger corpus"
        )


CHECKS: dict[str, tuple[Callable[[Namespace, Config], None], ...]] = {
    "speech_commands": (_folders("speech_commands_root", "speech_commands_test_root"), _a_whole_batch),
}
"""By the name of s3prl's task (``-d``)."""
