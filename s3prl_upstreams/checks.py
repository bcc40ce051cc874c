"""What is wrong with a run before it starts: s3prl itself would fail late, far from the cause, or wait for ever."""

from __future__ import annotations

import importlib
import importlib.util
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fairseq_budget.corpora.superb import places
from fairseq_budget.errors import BudgetError
from s3prl_upstreams import der, fixes
from s3prl_upstreams.tasks import Task, task_of

Config = dict[str, Any]


def prepare(args: Namespace, config: Config) -> None:
    """Make a run ready: environment variables into the paths of `config`, checks, and what its task needs fixed in s3prl.

    Raises BudgetError with what to change.
    """
    if str(args.device).startswith("cuda") and not torch.cuda.is_available():
        raise BudgetError(f"`--device {args.device}`, but torch finds no CUDA device: add `--device cpu`")
    raw = config.get("downstream_expert", {})
    config["downstream_expert"] = expand(raw)
    task = task_of(args.downstream, config)
    if task is not None:
        for key, is_wanted in PATHS[task.name].items():
            _check_path(task, key, is_wanted, _value(raw, key), args)
        for check in CHECKS.get(task.name, ()):
            check(args, config["downstream_expert"])
    fixes.apply(args.downstream, config)


def expand(value: Any) -> Any:
    """`value` with the variables in its strings replaced (see `places`); those that are not set stay as they are."""
    if isinstance(value, dict):
        return {key: expand(item) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item) for item in value]
    return places.expand(value) if isinstance(value, str) else value


PATHS: dict[str, dict[str, Callable[[Path], bool]]] = {
    "pr": {"corpus.path": Path.is_dir, "corpus.lexicon": Path.is_file, "text.vocab_file": Path.is_file},
    "asr": {"datarc.libri_root": Path.is_dir, "datarc.bucket_file": Path.is_dir, "datarc.dict_path": Path.is_file},
    "asr_zh": {
        "corpus.path": Path.is_dir,
        "corpus.train": Path.is_file,
        "corpus.dev": Path.is_file,
        "corpus.test": Path.is_file,
        "text.vocab_file": Path.is_file,
    },
    "ks": {"datarc.speech_commands_root": Path.is_dir, "datarc.speech_commands_test_root": Path.is_dir},
    "ks35": {"datarc.speech_commands_root": Path.is_dir, "datarc.speech_commands_test_root": Path.is_dir},
    "ic": {"datarc.file_path": Path.is_dir},
    "sf": {"corpus.path": Path.is_dir, "text.vocab_file": Path.is_file, "text.slots_file": Path.is_file},
    "sid": {"datarc.file_path": Path.is_dir, "datarc.meta_data": Path.is_file},
    "asv": {
        "datarc.file_path": Path.is_dir,
        "datarc.dev_meta_data": Path.is_file,
        "datarc.test_meta_data": Path.is_file,
    },
    "sd": {"loaderrc.train_dir": Path.is_dir, "loaderrc.dev_dir": Path.is_dir, "loaderrc.test_dir": Path.is_dir},
    "er": {"datarc.root": Path.is_dir, "datarc.meta_data": Path.is_dir},
    "qbe": {"datarc.dataset_root": Path.is_dir},
}
"""By task: the paths under ``downstream_expert``, and what each (or each of a list) must be."""


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


def _a_whole_batch(args: Namespace, expert: Config) -> None:
    """KS drops its last, incomplete batch; with no complete one, s3prl would loop over nothing for ever."""
    if args.mode != "train":
        return
    root, size = expert["datarc"]["speech_commands_root"], expert["datarc"]["batch_size"]
    split_dataset = importlib.import_module("s3prl.downstream.speech_commands.expert").split_dataset
    items = len(split_dataset(root)[0]) + len(list(Path(root, "_background_noise_").glob("*.wav")))
    if items < size:
        raise BudgetError(
            f"`{root}` has {items} files for training, less than one batch of {size}: "
            f"add -o config.downstream_expert.datarc.batch_size={max(1, items)} or use a larger corpus"
        )


def _known_classes(args: Namespace, expert: Config) -> None:
    """KS with a class list of one's own: s3prl would look for a class `_unknown_` or `_silence_` that isn't in it."""
    datarc = expert["datarc"]
    for key in ("speech_commands_root", "speech_commands_test_root"):
        for folder in sorted(entry for entry in Path(datarc[key]).iterdir() if entry.is_dir()):
            if folder.name not in datarc["classes"]:
                raise BudgetError(
                    f"`{folder}` is none of the `classes`: make the folders with `fairseq-budget corpus superb ks35`"
                )


def _speakers_of_voxceleb1(args: Namespace, expert: Config) -> None:
    """SID's 1251 classes are the numbers id10001 to id11251, which s3prl takes from the paths."""
    lists = expert["datarc"]["meta_data"]
    for number, line in enumerate(Path(lists).read_text(encoding="utf-8").splitlines(), start=1):
        speaker = line.split()[-1].partition("/")[0] if line.split() else ""
        if not (speaker.startswith("id") and speaker[2:].isdigit() and 10001 <= int(speaker[2:]) <= 11251):
            raise BudgetError(f"`{lists}`, line {number}: `{line}` has no speaker from id10001 to id11251")


def _scores_of_trials(args: Namespace, expert: Config) -> None:
    """ASV has no development split: evaluating on one fails inside s3prl, after all embeddings were made."""
    if args.mode == "evaluate" and args.evaluate_split != "test":
        raise BudgetError(f"`-t {args.evaluate_split}`: ASV is scored on its test trials only, use `-t test`")


def _error_rate(args: Namespace, expert: Config) -> None:
    """SD: what the score needs is asked for before the hours of evaluation, not after them."""
    if args.mode == "evaluate" and args.evaluate_split == "test":
        der.require_library()
        der.read_rttm(Path(expert["loaderrc"]["test_dir"], "rttm"))


def _one_layer(args: Namespace, expert: Config) -> None:
    """QbE isn't trained, so a weighted sum of layers would be an even one; and it needs two packages of its own."""
    if args.mode == "train":
        raise BudgetError("`-m train`: QbE has nothing to train, use `-m evaluate -t dev -l LAYER`")
    for module, package in (("dtw", "dtw-python>=1.5"), ("lxml", "lxml")):
        if importlib.util.find_spec(module) is None:
            raise BudgetError(f"QbE needs the package {package}: pip install '{package}'")


CHECKS: dict[str, tuple[Callable[[Namespace, Config], None], ...]] = {
    "ks": (_a_whole_batch,),
    "ks35": (_known_classes, _a_whole_batch),
    "sid": (_speakers_of_voxceleb1,),
    "asv": (_scores_of_trials,),
    "sd": (_error_rate,),
    "qbe": (_one_layer,),
}
"""By task."""
