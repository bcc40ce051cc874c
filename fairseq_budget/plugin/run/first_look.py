"""What of a run's configuration can be seen to be wrong before anything is built."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from fairseq.models import ARCH_MODEL_NAME_REGISTRY, MODEL_REGISTRY
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_REGISTRY
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from fairseq_budget.errors import ConfigError
from fairseq_budget.mistakes.settings import near_names

LAUNCHERS = ("MASTER_ADDR", "SLURM_STEP_ID")
"""Variables of those who start a rank for each worker: torchrun, srun."""


def check_settings(cfg: Any) -> None:
    """Look at fairseq's whole configuration.

    Raises:
        ConfigError: names what is wrong, and what would be right.
    """
    for section, known in _registries():
        name = (cfg.get(section) or {}).get("_name")
        if isinstance(name, str) and name not in known:
            raise ConfigError(f"unknown {section} `{name}`: `{section}._name` must be {_some(name, known)}")
    if str((cfg.get("task") or {}).get("_name")).startswith("budget_"):
        if not str(cfg.criterion._name).startswith("budget_"):
            raise ConfigError(f"`criterion._name` must be budget_pretraining with this task, but is `{cfg.criterion._name}`")
        _check_data(cfg.task)
        _check_counts(cfg)
        _check_ranks(cfg.distributed_training)


def _registries() -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "task", TASK_REGISTRY
    yield "model", {**MODEL_REGISTRY, **ARCH_MODEL_NAME_REGISTRY}
    for section in ("criterion", "optimizer", "lr_scheduler"):
        yield section, REGISTRIES[section]["registry"]


def _some(name: str, known: Mapping[str, Any]) -> str:
    """Those near it, or ours; fairseq has dozens."""
    ours = sorted(other for other in known if other.startswith("budget_"))
    return " or ".join(near_names(name, sorted(known)) or ours or sorted(known))


def _check_data(task: Any) -> None:
    if OmegaConf.is_missing(task, "data") or not task.data:
        raise ConfigError("`task.data` is needed: add `task.data=FOLDER`, with train.tsv and valid.tsv in it")
    folder = Path(task.data)
    if folder.is_dir():
        return
    started = Path(HydraConfig.get().runtime.cwd if HydraConfig.initialized() else ".")
    if not folder.is_absolute() and (started / folder).is_dir():
        raise ConfigError(f"`task.data={folder}` is looked for in the run's own folder: give `task.data={started / folder}`")
    raise ConfigError(
        f"`task.data`: no folder `{folder}`: make it with `fairseq-budget manifest` or `corpus librispeech`; the recipes of "
        "LibriSpeech look in `manifests` where the command is started, or in $FAIRSEQ_BUDGET_MANIFESTS"
    )


def _check_counts(cfg: Any) -> None:
    counts = {"dataset.num_workers": cfg.dataset.num_workers, "task.checkpoints": cfg.task.checkpoints}
    for name, count in counts.items():
        if count < 0:
            raise ConfigError(f"`{name}` must be at least 0, but is {count}")


def _check_ranks(training: Any) -> None:
    """Without a launcher, fairseq starts a rank for each GPU."""
    ranks, gpus = training.distributed_world_size, torch.cuda.device_count()
    is_launched = training.distributed_init_method or any(name in os.environ for name in LAUNCHERS)
    if ranks > max(gpus, 1) and not is_launched and not training.distributed_no_spawn:
        raise ConfigError(
            f"`distributed_training.distributed_world_size` is {ranks}, but torch sees {gpus} GPUs here: lower it; several "
            "processes on CPUs are started by torchrun, with `device=cpu_torchrun`"
        )
