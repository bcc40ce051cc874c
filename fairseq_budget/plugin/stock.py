"""To stock fairseq: a file for its ``load_model_ensemble_and_task``, its fine-tuning and the scripts around it.

It holds tensors and plain values only: stock fairseq reads checkpoints with ``torch.load``, which since torch 2.6 refuses
fairseq's own objects.  Of HuBERT's dictionary there is the list of its symbols, whose length is all that the model asks for.

Its configuration is complete.  Fine-tuning replaces settings of a checkpoint by name, and leaves out, without a word, those
that the checkpoint doesn't have (``overwrite_args_by_name``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.dataclass.configs import FairseqConfig
from fairseq.models import MODEL_DATACLASS_REGISTRY
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_DATACLASS_REGISTRY
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.checkpoints import digest
from fairseq_budget.checkpoints.export import check_features, read_source, write
from fairseq_budget.checkpoints.pretrained import Pretrained
from fairseq_budget.checkpoints.safe_load import plain, safe_load
from fairseq_budget.data.labels import symbols
from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives.hubert.defaults import HubertConfig
from fairseq_budget.objectives.loss import FEATURES_PENALTY

NAMES = {
    "hubert": {"model": "hubert", "task": "hubert_pretraining", "criterion": "hubert"},
    "wav2vec2": {"model": "wav2vec2", "task": "audio_pretraining", "criterion": "wav2vec"},
}
"""What an objective is called in fairseq, by section of its configuration."""

OF_THE_RUN = ("common", "dataset", "distributed_training", "optimization", "checkpoint", "optimizer")
"""Sections that are as the run had them; its learning rates follow the budget, which no schedule of fairseq's does."""

NOT_IN_0_12_2 = (
    *("multi_corpus_keys", "multi_corpus_sampling_weights", "post_save_script", "precompute_mask_config"),
    *("rebuild_batches", "seed", "subsample"),
)
"""Settings of tasks that fairseq 0.12.2 refuses to know; those of its main branch have their defaults without them."""


def export(checkpoint: Path, out: Path) -> float:
    """Write a checkpoint to the file `out`, all or nothing; returns the largest difference of features.

    Raises:
        BudgetError: what cannot be exported (see `read_source`), and features that should not come out equal.
    """
    pretrained = read_source(checkpoint, out)
    found = [0.0]

    def check(partial: Path) -> None:
        found[0] = difference(pretrained, partial)
        check_features(found[0], out)

    run = plain(safe_load(checkpoint).get("cfg"))
    write(content(pretrained, run if isinstance(run, dict) else {}), out, check)
    return found[0]


def content(pretrained: Pretrained, run: Mapping[str, Any]) -> dict[str, Any]:
    """What the file holds; `run` is the configuration that the model was trained with, as far as it is known.

    Raises:
        BudgetError: fairseq has a setting of that name that cannot have the run's value.
    """
    weights = {name: value.contiguous() for name, value in pretrained.model.state_dict().items()}
    task_state: dict[str, Any] = {digest.KEY: digest.tensor_digest(weights)}
    if isinstance(pretrained.config, HubertConfig):
        task_state["dictionaries"] = [symbols(pretrained.config.num_classes)]
    history = {"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": pretrained.updates}
    return {
        "args": None,
        "cfg": configuration(pretrained, run),
        "model": weights,
        "criterion": {},
        "optimizer_history": [history],
        "task_state": task_state,
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
        "last_optimizer_state": None,
    }


def configuration(pretrained: Pretrained, run: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting that fairseq's dataclasses have, with the run's values, as plain values.

    Raises:
        BudgetError: see `content`.
    """
    root = OmegaConf.structured(FairseqConfig())
    names, optimizer = NAMES[pretrained.objective], str(_section(run, "optimizer").get("_name"))
    criterions, optimizers = (REGISTRIES[kind]["dataclass_registry"] for kind in ("criterion", "optimizer"))
    kinds = {
        "model": MODEL_DATACLASS_REGISTRY[names["model"]],
        "task": TASK_DATACLASS_REGISTRY[names["task"]],
        "criterion": criterions[names["criterion"]],
        "optimizer": optimizers.get(optimizer, optimizers["adam"]),
    }
    named = {**names, "optimizer": optimizer if optimizer in optimizers else "adam"}
    for section, kind in kinds.items():
        root[section] = OmegaConf.structured(kind(_name=named[section]))
    try:
        for section in OF_THE_RUN:
            _overlay(root[section], _section(run, section))
        _overlay(root.model, {**_section(run, "model"), **asdict(pretrained.config)})
        _overlay(root.task, _task(pretrained, _section(run, "task")))
        _overlay(root.criterion, _criterion(pretrained))
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise BudgetError(f"fairseq can't have a setting of this checkpoint's ({error.full_key}: {reason})") from error
    root.common.user_dir = None
    settings: dict[str, Any] = OmegaConf.to_container(root, resolve=True, enum_to_str=True)  # type: ignore[assignment]
    if "quantize_targets" in settings["model"]:
        settings["model"]["quantize_targets"] = True  # fairseq's default is False, but no model of ours is without
    settings["task"] = {name: value for name, value in settings["task"].items() if name not in NOT_IN_0_12_2}
    return settings


def _section(run: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = run.get(name)
    return section if isinstance(section, dict) else {}


def _overlay(section: DictConfig, values: Mapping[str, Any]) -> None:
    """Take over the values that the section has a name for."""
    for name in map(str, section):
        if name != "_name" and values.get(name) is not None:
            section[name] = values[name]


def _task(pretrained: Pretrained, run: Mapping[str, Any]) -> dict[str, Any]:
    """The task's settings in fairseq's names: padding is `enable_padding` of wav2vec 2.0, `pad_audio` of HuBERT."""
    settings = {"data": "", **run, "normalize": pretrained.normalize, "sample_rate": SAMPLE_RATE}
    if "padding" in run:
        settings |= {"enable_padding": run["padding"], "pad_audio": run["padding"]}
    if isinstance(pretrained.config, HubertConfig):
        labels = run.get("labels", "km")
        settings |= {"labels": [labels] if isinstance(labels, str) else labels, "label_rate": pretrained.config.label_rate}
    return settings


def _criterion(pretrained: Pretrained) -> dict[str, Any]:
    """The weights of the terms of the loss, as Liu et al. 2024 have them."""
    if isinstance(pretrained.config, HubertConfig):
        return {"pred_masked_weight": 1.0, "pred_nomask_weight": 0.0, "loss_weights": [FEATURES_PENALTY]}
    weights = [pretrained.config.diversity_weight, FEATURES_PENALTY]  # type: ignore[attr-defined]
    log_keys = ["prob_perplexity", "code_perplexity", "temp"]
    return {"infonce": True, "loss_weights": weights, "log_keys": log_keys}


@torch.no_grad()
def difference(pretrained: Pretrained, path: Path) -> float:
    """How far the last hidden state of fairseq's model in `path` is from ours, over its largest value, on seeded noise."""
    [theirs], _, _ = checkpoint_utils.load_model_ensemble_and_task([str(path)])
    source = 0.1 * torch.randn(1, SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    ours = pretrained.model.extract(source)[0][-1]
    found = theirs.eval()(source, mask=False, features_only=True)["x"]
    return float((found - ours).abs().max() / ours.abs().max())
