"""A trial: one learning rate of a task, with all that s3prl's runner has for it."""

from __future__ import annotations

import importlib
import math
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fairseq_budget.files import atomic
from s3prl_upstreams.sweep.heads import DownstreamHead, Features, load_checkpoint
from s3prl_upstreams.sweep.mixing import StackedLayers
from s3prl_upstreams.sweep.settings import Config
from s3prl_upstreams.sweep.spent import TrialSpent, count_head


class Trial:
    """A head that learns at its own rate, and its upstream, if that learns, at `upstream_rate`; `dropped` is the step at
    which it was given up.

    `args` and `config` are s3prl's, for this trial.
    """

    def __init__(
        self, rate: float, head: DownstreamHead, args: Namespace, config: Config, upstream_rate: float | None = None
    ) -> None:
        self.rate, self.head, self.args, self.config = rate, head, args, config
        self.spent = TrialSpent()
        count_head(head.expert, self.spent)
        self.parameters = [parameter for model in head.modules.values() for parameter in model.parameters()]
        self.optimizer = _made("s3prl.optimizers", "get_optimizer", [head.featurizer, head.expert], config, "optimizer")
        if head.upstream is not None:
            self.optimizer.add_param_group({"params": list(head.upstream.parameters()), "lr": upstream_rate})
        self.scheduler = None
        if config.get("scheduler"):
            self.scheduler = _made("s3prl.schedulers", "get_scheduler", self.optimizer, config, "scheduler")
        self.specaug = None
        if config.get("specaug"):
            self.specaug = importlib.import_module("s3prl.downstream.specaug").SpecAug(**config["specaug"])
        self.records: dict[str, list[Any]] = defaultdict(list)
        self.dropped: int | None = None

    @property
    def folder(self) -> Path:
        """s3prl's experiment folder."""
        return self.head.folder

    @property
    def active(self) -> bool:
        """Whether it still learns."""
        return self.head.failed is None and self.dropped is None

    def learn(self, split: str, wavs: list[Tensor], features: Features | StackedLayers | None, others: list[Any]) -> None:
        """Forward and backward pass of a batch."""
        selected = self.head.select(wavs, features)
        if self.specaug is not None:
            selected, _ = self.specaug(selected)
        loss = self.head.expert(split, selected, *others, records=self.records)
        (loss / self.config["runner"]["gradient_accumulate_steps"]).backward()

    def update(self) -> None:
        """Clip, step, forget the gradients; no step where the gradient is no number."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config["runner"]["gradient_clipping"])
        if not math.isnan(norm):
            self.optimizer.step()
        self.optimizer.zero_grad()
        if self.scheduler is not None:
            self.scheduler.step()

    def save(self, names: Iterable[str], step: int, epoch: int) -> None:
        """Write checkpoints that s3prl's launcher can evaluate."""
        states = {"Optimizer": self.optimizer.state_dict(), "Step": step, "Epoch": epoch}
        states |= {"Args": self.args, "Config": self.config, **self.head.states()}
        if self.scheduler is not None:
            states["Scheduler"] = self.scheduler.state_dict()
        for name in names:
            with atomic(self.folder / name) as partial:
                torch.save(states, partial)

    def restore(self, step: int) -> None:
        """Go back to ``states-STEP.ckpt``."""
        states = load_checkpoint(states_file(self.folder, step))
        self.head.load(states)
        self.optimizer.load_state_dict(states["Optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(states["Scheduler"])

    def keep_latest(self, number: int) -> None:
        """Remove all but the latest states files."""
        files = sorted(self.folder.glob("states-*.ckpt"), key=lambda path: int(path.stem.removeprefix("states-")))
        for path in files[: max(0, len(files) - number)]:
            path.unlink()


def states_file(folder: Path, step: int) -> Path:
    """s3prl's name for the checkpoint of a step."""
    return folder / f"states-{step}.ckpt"


def _made(module: str, function: str, of: Any, config: Config, key: str) -> Any:
    """An optimizer or a scheduler, by s3prl's own function."""
    return getattr(importlib.import_module(module), function)(of, config["runner"]["total_steps"], config[key])
