"""A run's newest checkpoint and the one before it: one of them is intact, whatever happens while the other is written."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

from fairseq_budget.arithmetic.units import GIB
from fairseq_budget.checkpoints.safe_load import safe_load
from fairseq_budget.errors import BudgetError, unknown_name
from fairseq_budget.files import link_or_copy
from fairseq_budget.plugin.run.origin import LAST

logger = logging.getLogger(__name__)

PREVIOUS = "checkpoint_previous.pt"
BYTES_PER_PARAMETER = 12
"""The weight and Adam's two averages, in 32 bits each."""
AT_ONCE = 4
"""Checkpoints beside the kept ones: the newest, the one before, the best, and the one that is being written."""


class Generations:
    """Keeps two generations in fairseq's folder of checkpoints, and watches the room that is left for the next."""

    def __init__(self, settings: Any, on_damage: str) -> None:
        """`settings`: the section `checkpoint` of fairseq's configuration; None where nothing is saved.

        Raises:
            ConfigError: `on_damage` is neither `previous` nor `error`.
        """
        if on_damage not in ("previous", "error"):
            raise unknown_name("task.on_damaged_checkpoint", on_damage, ("previous", "error"))
        self.folder = None if settings is None or settings.get("no_save") else Path(settings.save_dir).absolute()
        self.on_damage = on_damage

    def repair(self) -> None:
        """Before the run starts: where the newest checkpoint is damaged or gone, the one before takes its place.

        Raises:
            BudgetError: the newest is damaged, and there is none before it or none is wanted.
        """
        if self.folder is None:
            return
        last, previous = self.folder / LAST, self.folder / PREVIOUS
        damage = _damage(last) if last.is_file() or not previous.is_file() else f"`{last}` is not there"
        if damage is None:
            return
        if self.on_damage == "error" or not previous.is_file():
            raise BudgetError(damage)
        if (older := _damage(previous)) is not None:
            raise BudgetError(f"{damage}; and {older}")
        logger.error("%s; going on from %s, the checkpoint before it", damage, previous)
        if last.is_file():
            os.replace(last, last.with_name(f"{LAST}.damaged"))
        link_or_copy(previous, last)

    def make_room(self) -> None:
        """Before a save: the newest becomes the one before.

        Raises:
            BudgetError: the disk has no room for another of its size.
        """
        if self.folder is None or not (last := self.folder / LAST).is_file():
            return
        _require(self.folder, last.stat().st_size)
        link_or_copy(last, self.folder / PREVIOUS)

    def foresee(self, parameters: int, kept: int) -> None:
        """Before training: refuse where not even two generations have room, warn where not all that will be kept has.

        Raises:
            BudgetError: there is no room for two checkpoints.
        """
        if self.folder is None or (self.folder / LAST).is_file():
            return
        size = BYTES_PER_PARAMETER * parameters
        _require(self.folder, 2 * size)
        wanted, free = (AT_ONCE + kept) * size, shutil.disk_usage(_existing(self.folder)).free
        if free < wanted:
            logger.warning(
                "`%s`: the run's checkpoints will take about %.3g GiB, %.3g GiB are free: make room, or lower "
                "`task.checkpoints`",
                *(self.folder, wanted / GIB, free / GIB),
            )


def _damage(path: Path) -> str | None:
    """What is wrong with a checkpoint, in words; every byte of it is read.  Nothing is wrong with one that isn't there."""
    try:
        if path.is_file():
            safe_load(path)
    except BudgetError as error:
        return str(error)
    return None


def _require(folder: Path, size: int) -> None:
    """Raises:
    BudgetError: so many bytes are not free.
    """
    free = shutil.disk_usage(_existing(folder)).free
    if free < size:
        raise BudgetError(
            f"`{folder}`: a checkpoint takes {size / GIB:.3g} GiB, {free / GIB:.3g} GiB are free: make room and "
            "give the same command again, it goes on from the last checkpoint"
        )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())
