"""What the cells of a study will cost, from their composed configurations, before any is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.plan import PlannedRun, Setting, plan_phases
from fairseq_budget.arithmetic.units import SAMPLE_RATE, SECONDS_PER_HOUR
from fairseq_budget.data.packing.librispeech import UTTERANCES, librispeech_like
from fairseq_budget.data.packing.statistics import filled
from fairseq_budget.data.segments import check_limits, cut
from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives import of_model
from fairseq_budget.studies.compose import compose
from fairseq_budget.studies.study import Cell

CHECKPOINT_BYTES = 12
"""Of each parameter: itself and Adam's two moments in fp32."""
OTHER_CHECKPOINTS = 3
"""Beside those kept by share of the budget: the last one, the best, and the one by updates."""


@dataclass(frozen=True)
class Forecast:
    """A cell's plan, and the space that its checkpoints take at most."""

    cell: Cell
    run: PlannedRun
    disk_bytes: int


def foresee(cells: Sequence[Cell], lengths: np.ndarray | None, common: Sequence[str], speed: float | None) -> list[Forecast]:
    """One forecast for each cell.

    Args:
        lengths: of the training utterances, in samples; LibriSpeech's if None.  Shape: (N,)
        common: Hydra's overrides of all cells.
        speed: FLOP/s of a device, if it is known.

    Raises:
        BudgetError: a cell that can't be composed, or whose budget is below an update.
    """
    heard = librispeech_like(UTTERANCES) if lengths is None else lengths
    found = []
    for cell, config in zip(cells, compose(cells, common), strict=True):
        try:
            found.append(_of_cell(cell, config, heard, speed))
        except BudgetError as error:
            raise BudgetError(f"cell {cell.name}: {error}") from error
    return found


def training_lengths(data: Path) -> np.ndarray:
    """Of the utterances of a folder with train.tsv, in samples.  Shape: -> (N,)"""
    from fairseq_budget.data.manifest import Manifest

    return Manifest.read(data / "train.tsv").frames


def _of_cell(cell: Cell, config: Any, lengths: np.ndarray, speed: float | None) -> Forecast:
    phases = of_model(config.model._name).model_config(config.model).phases()
    hours = float(lengths.sum()) * cell.data_share / (SAMPLE_RATE * SECONDS_PER_HOUR)
    setting, budget = _setting(config, lengths, hours), Budget(dict(config.task.budget))
    run = plan_phases(cell.name, phases, budget, setting)
    if speed is not None:
        run = _timed(run, speed, setting.ranks)
    kept = config.task.checkpoints + OTHER_CHECKPOINTS
    return Forecast(cell, run, run.params * CHECKPOINT_BYTES * kept)


def _timed(run: PlannedRun, speed: float, ranks: int) -> PlannedRun:
    """With the time that its FLOPs take on so many devices of that speed."""
    hours = run.flops / speed / SECONDS_PER_HOUR
    step = run.flops_per_update / speed / ranks
    return replace(run, step_seconds=step, wall_hours=hours / ranks, device_hours=hours)


def _setting(config: Any, lengths: np.ndarray, hours: float) -> Setting:
    """What an update is made of, batches filled by the recipe's own rule."""
    task, samples = config.task, int(config.dataset.max_tokens)
    crops = _crops(lengths, task.segment_seconds, task.min_sample_size, min(task.max_sample_size, samples))
    return Setting(
        ranks=int(config.distributed_training.distributed_world_size),
        samples_per_batch=samples,
        accumulation=int(config.optimization.update_freq[0]),
        crop=round(float((crops.astype(np.float64) ** 2).sum() / crops.sum())),
        packing=_filled(task.batching, crops.tobytes(), samples, bool(task.padding)),
        data_hours=hours,
    )


def _crops(lengths: np.ndarray, segment: float | None, least: int, most: int) -> np.ndarray:
    """Shape: (N,) samples -> (M,) samples of what is trained on.  Segments are cut as of one speaker."""
    if segment is not None:
        check_limits(segment, least, most)
        lengths = cut(lengths, np.zeros(len(lengths), dtype=np.int64), segment).frames
    kept = lengths[lengths >= least]
    if not len(kept):
        raise BudgetError(f"every utterance is shorter than `task.min_sample_size` = {least} samples")
    return np.minimum(kept, most).astype(np.int64)


@cache
def _filled(rule: str, crops: bytes, samples: int, padding: bool) -> float:
    lengths = np.frombuffer(crops, dtype=np.int64)
    if not (share := filled(rule, lengths, samples, padding)):
        raise BudgetError(f"`task.batching` = {rule} drops every batch of this corpus")
    return share
