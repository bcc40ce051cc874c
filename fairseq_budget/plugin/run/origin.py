"""Where a run starts: one rule for every way in.

A run's own progress comes first: the command that began it also continues it.  Otherwise it starts from the checkpoint that
`checkpoint.restore_file`, `checkpoint.continue_once` or `checkpoint.finetune_from_model` names, its parent, or from scratch.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from torch import nn

from fairseq_budget.checkpoints.safe_load import safe_load
from fairseq_budget.checkpoints.weights import differences
from fairseq_budget.errors import BudgetError

logger = logging.getLogger(__name__)

LAST = "checkpoint_last.pt"
"""fairseq's name of the newest checkpoint, and its default of `checkpoint.restore_file`."""
WAYS = ("restore_file", "continue_once", "finetune_from_model")
RESETS = ("reset_optimizer", "reset_lr_scheduler", "reset_meters", "reset_dataloader")


@dataclass(frozen=True)
class Origin:
    """The checkpoint that a process reads when it starts, and the one that its run began from."""

    read: Path | None = None
    """None: training starts from scratch."""
    parent: Path | None = None
    """Another run's; None where no setting names one."""
    way: str = "restore_file"
    """The setting that names the parent."""

    @property
    def own(self) -> bool:
        """Whether the run goes on from a checkpoint of its own."""
        return self.read is not None and self.read != self.parent


def find_origin(settings: Any) -> Origin:
    """What a run reads; `settings` is the section `checkpoint` of fairseq's configuration.

    Raises:
        BudgetError: several settings name a parent, there is no file where one does, or the run's own progress would be
            forgotten.
    """
    if settings is None:
        return Origin()
    named = {way: settings[way] for way in WAYS if settings.get(way) not in (None, LAST)}
    if len(named) > 1:
        raise BudgetError(f"a run has one parent: give one of {', '.join(f'`checkpoint.{way}`' for way in named)}")
    own = Path(settings.save_dir, LAST)
    if not named:
        return _own_progress(own, settings)
    ((way, name),) = named.items()
    parent = find_file(f"checkpoint.{way}", name)
    if parent.resolve() == own.resolve():
        return _own_progress(own, settings)
    if own.is_file():
        logger.info("going on from this run's own %s; `checkpoint.%s` is where it began", own, way)
        return Origin(own, parent, way)
    return Origin(parent, parent, way)


def refuse_another_model(network: nn.Module, origin: Origin) -> None:
    """Refuse a checkpoint whose model isn't the recipe's.

    Raises:
        BudgetError: names or shapes of their weights differ.
    """
    if origin.read is None:
        return
    different = differences(network, safe_load(origin.read)["model"])
    if different is not None:
        raise BudgetError(
            f"`{origin.read.absolute()}` was trained with another model than this recipe's ({different}): correct `size` "
            "and `model`, or give another `hydra.run.dir`"
        )


def _own_progress(own: Path, settings: Any) -> Origin:
    """Every restart would begin anew from it, and the ledger forget what it had cost."""
    reset = [name for name in RESETS[:2] if settings.get(name)]
    if own.is_file() and reset:
        raise BudgetError(
            f"`checkpoint.{reset[0]}` would forget this run's progress at every start: give another `hydra.run.dir`, and "
            f"`checkpoint.restore_file={own.absolute()}` to begin from its weights"
        )
    return Origin(own if own.is_file() else None)


def find_file(setting: str, name: str) -> Path:
    """A path that is absolute, or relative to the run's folder or to where the command was given.

    Raises:
        BudgetError: there is no such file; names the setting.
    """
    folders = [Path.cwd()]
    if HydraConfig.initialized():
        folders.append(Path(HydraConfig.get().runtime.cwd))
    for folder in folders:
        if (path := folder / name).is_file():
            return path
    looked = " or ".join(f"`{path}`" for path in dict.fromkeys(folder / name for folder in folders))
    raise BudgetError(f"`{setting}`: no file {looked}: correct the path, or leave it out to start from scratch")
