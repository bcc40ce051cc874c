"""The record of a run: one JSON file beside its checkpoints, as fresh as the newest of them."""

from __future__ import annotations

import logging
import os
import shlex
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from fairseq_budget.arithmetic.currencies import amounts_spent
from fairseq_budget.arithmetic.flops import CONVENTION
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.sizes import find_size
from fairseq_budget.checkpoints.pretrained import model_size_key
from fairseq_budget.planning.machine import device_name
from fairseq_budget.plugin.run.data import training_data
from fairseq_budget.plugin.run.forecast import forecast
from fairseq_budget.records.base import FILE
from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.records.provenance import given_command, versions

logger = logging.getLogger(__name__)

PACKAGES = ("fairseq-fixed", "torch", "omegaconf", "hydra-core", "numpy")


class RunRecord:
    """Gathers what a reader of results needs: what was trained, what it cost, what came out, and with which software."""

    def __init__(self, task: Any) -> None:
        self.task, self.config, self.shape = task, task.network.config, task.network.model_shape
        self.plan: dict[str, float] | None = None
        """What the planner says of this run."""

    def write(self) -> None:
        """Write it beside the folder of checkpoints."""
        if (path := self._path()) is not None:
            record = self.record()
            record.write(path)
            if record.collapsed:
                logger.warning("after %d updates %s", record.spent.updates, record.collapsed)

    def catch_up(self) -> None:
        """Write it if it is behind the run: a process may end between its last checkpoint and its record."""
        path, updates = self._path(), self.task.run.state.ledger.updates
        if path is not None and (not path.is_file() or self.task.record_kind.read(path).spent.updates != updates):
            self.write()

    def _path(self) -> Path | None:
        checkpoint = self.task.root.get("checkpoint")
        return None if checkpoint is None else Path(checkpoint.save_dir).absolute().parent / FILE

    def foresee(self) -> None:
        """Ask the planner, once the first epoch's batches are made.

        Raises:
            BudgetError: the budget is less than one update.
        """
        train = training_data(self.task)
        if train is not None:
            self.plan = forecast(self.task.root, self.task.run.state.budget.amounts, self.config.phases(), train)

    def record(self) -> PretrainingRecord:
        """What there is to tell now."""
        objective, run, labels = self.task.objective, self.task.run, self.task.labels
        size, ledger = find_size(model_size_key(self.config)), run.state.ledger
        kind: type[PretrainingRecord] = self.task.record_kind
        return kind.of(
            objective=objective.name,
            frontend=self.shape.frontend.name,
            size=size.name if size else None,
            percent=objective.percent(size, self.shape.frontend.name) if size else None,
            params=count_parameters(self.shape),
            budget=run.state.budget.amounts,
            spent={**ledger.state_dict(), **amounts_spent(ledger)},
            plan=self.plan,
            flops_convention=CONVENTION,
            metrics=run.results.entries(),
            loss_unit=objective.loss_unit,
            guessing_loss=self.config.guessing_loss() if labels is None else labels.guessing_loss(run.results.sets[0]),
            **({} if labels is None else labels.entries(ledger)),
            **run.parent.entries(ledger),
            **self.task.record_entries(),
            data=self._data(),
            train_log=self.task.root.common.log_file,
            checkpoint=os.path.join(Path(self.task.root.checkpoint.save_dir).name, "checkpoint_last.pt"),
            seed=self.task.cfg.seed,
            device=device_name(_device(self.task.root.common.cpu)),
            versions=versions(PACKAGES),
            command=command(),
        )

    def _data(self) -> dict[str, Any]:
        train = training_data(self.task)
        return {
            "train": str(self.task.cfg.data),
            "hours": float(train.manifest.hours) if train else None,
            "segment_seconds": self.task.cfg.segment_seconds,
            "bad_audio": self.task.run.bad_audio.record(),
            **self.task.run.corpus.entries(),
        }


def command() -> str:
    """What starts this run again: in a job of a multirun, with that job's overrides."""
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        hydra = HydraConfig.get()
        overrides = [*hydra.overrides.task, f"hydra.run.dir={hydra.runtime.output_dir}"]
        return shlex.join(
            ["fairseq-hydra-train", "--config-dir", "recipes", "--config-name", str(hydra.job.config_name), *overrides]
        )
    return given_command()


def _device(cpu: bool) -> torch.device:
    """Where fairseq trains."""
    return torch.device("cpu" if cpu or not torch.cuda.is_available() else "cuda")
