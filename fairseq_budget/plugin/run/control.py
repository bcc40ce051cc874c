"""How a run steers fairseq: the only place that writes into fairseq's configuration.

fairseq ends, validates and saves by its own rules, which read its configuration at every update; setting these values leaves
its trainer as it is.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from omegaconf import open_dict

from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.plugin.run.origin import LAST, RESETS, WAYS, Origin

logger = logging.getLogger(__name__)

OVERLAPPING = ("c10d", "pytorch_ddp")
"""fairseq's names of torch's DistributedDataParallel."""


class Control:
    """Ends the run, or lets fairseq save, at the boundary of an update."""

    def __init__(self, root: Any) -> None:
        """`root` is fairseq's whole configuration.

        Raises:
            BudgetError: it asks for a GPU, and there is none; or for half precision on a CPU.
        """
        common = root.get("common")
        if common is not None and not common.cpu and not torch.cuda.is_available():
            raise BudgetError("the recipe asks for a GPU, but torch sees none here: add `device=cpu` to train on the CPU")
        if common is not None and common.cpu and common.fp16:
            raise BudgetError("`common.fp16` is for GPUs: leave it out, or train in bfloat16 with `device=cpu_bf16`")
        self.root = root
        self.updates_done = 0
        """Updates of the model when the one in progress is done; 0 before the first of this process."""
        self._save_interval: int | None = None

    @property
    def ending(self) -> bool:
        """Whether the run ends after the update in progress."""
        return 0 < self.root.optimization.max_update <= self.updates_done

    def start_from(self, origin: Origin) -> None:
        """Let fairseq read what the run starts from; a run's own checkpoint is read whole, whatever its parent's was."""
        if origin.parent is None:
            return
        with open_dict(self.root):
            self.root.checkpoint[origin.way] = str(origin.parent.absolute())
            if origin.way != "finetune_from_model":  # which forgets them anyway
                self.root.checkpoint.reset_meters = True  # the parent's averages, and its best validation
            if origin.own:
                self.root.checkpoint.update(dict.fromkeys(WAYS) | {"restore_file": LAST} | dict.fromkeys(RESETS, False))

    def check_overlap(self, model: Any) -> None:
        """Refuse what torch's DistributedDataParallel would wait for in vain: it sends gradients while others are computed.

        Raises:
            ConfigError: the model's configuration leaves out parameters in an update.
        """
        settings = self.root.get("distributed_training")
        overlaps = settings is not None and settings.ddp_backend in OVERLAPPING and not settings.find_unused_parameters
        if not overlaps or settings.distributed_world_size < 2:
            return
        why = None
        if model.encoder_layerdrop > 0:
            why = f"`model.encoder_layerdrop={model.encoder_layerdrop:g}` leaves out layers: set it to 0"
        elif model.get("checkpoint"):
            why = "fine-tuning has phases in which not all are trained: leave the backend out"
        if why is not None:
            raise ConfigError(
                f"`distributed_training.ddp_backend={settings.ddp_backend}` needs the gradient of every parameter in every "
                f"update, and {why}, or take legacy_ddp"
            )

    def do_not_start(self) -> None:
        """Nothing is trained: a lowest learning rate above every other one keeps fairseq from starting."""
        self.root.optimization.stop_min_lr = float("inf")

    def begin_update(self) -> None:
        """Take back what was set for the last update alone."""
        if self._save_interval is not None:
            self.root.checkpoint.save_interval_updates, self._save_interval = self._save_interval, None

    def end(self, updates: int) -> None:
        """End the run at this update boundary: fairseq validates, saves and stops when it reaches `max_update`.

        A run that is started again after its end would still do one update before fairseq looks.
        """
        if self.root.get("optimization") is None:
            return
        if self.updates_done:
            logger.info("the budget is spent after %d updates", updates)
            self.root.optimization.max_update = self.updates_done
        else:
            logger.info("the budget was spent before: nothing is left to do")
            self.do_not_start()

    def stop_for_now(self) -> None:
        """End the run at this update boundary with a checkpoint, but without the time that a validation takes."""
        self.root.optimization.max_update = self.updates_done
        self.skip_validation()

    def skip_validation(self) -> None:
        """Let fairseq save without validating."""
        self.root.dataset.disable_validation = True

    def save_after_this_update(self) -> None:
        """Let fairseq validate and save after this update: it does both where the number of updates is a multiple of
        `save_interval_updates`, which therefore is that number until the next update."""
        if self._save_interval is None:
            checkpoint = self.root.checkpoint
            self._save_interval, checkpoint.save_interval_updates = checkpoint.save_interval_updates, self.updates_done

    @staticmethod
    def fill_in(section: Any, **settings: Any) -> None:
        """Settings of a section of the configuration that follow from the data, or from a checkpoint."""
        with open_dict(section):
            for name, value in settings.items():
                section[name] = value
