"""What the planner says of a run, for its record: the report shows it beside what the ledger says in the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from fairseq.distributed import utils as distributed

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.currencies import CURRENCIES
from fairseq_budget.arithmetic.plan import Setting, plan_phases
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.errors import BudgetError
from fairseq_budget.plugin.dataset import PretrainingDataset


def forecast(
    root: Any, amounts: dict[str, float], phases: Sequence[tuple[int | None, ModelShape]], dataset: PretrainingDataset
) -> dict[str, float] | None:
    """The planner's answer for this recipe and corpus; None where the recipe doesn't say how large a batch is, or time is
    the only budget.

    `phases`: updates, and the shape of what is trained in them.
    """
    foretold = {name: amount for name, amount in amounts.items() if not CURRENCIES[name].timed}
    if not foretold or root.dataset.max_tokens is None or not dataset.filled:
        return None
    setting = Setting(
        ranks=distributed.get_data_parallel_world_size(),
        samples_per_batch=root.dataset.max_tokens,
        accumulation=root.optimization.update_freq[0],
        crop=typical_crop(dataset.sizes_of(dataset.kept)),
        packing=dataset.filled,
        data_hours=dataset.manifest.hours,
    )
    run = plan_phases("this run", phases, Budget(foretold), setting)
    _refuse_endless_warmup(root, run.updates)
    planned = ("flops_per_update", "updates", "flops", "hours_heard", "epochs")
    return {**{name: getattr(run, name) for name in planned}, "crop": setting.crop, "packing": setting.packing}


def _refuse_endless_warmup(root: Any, updates: int) -> None:
    warmup = root.lr_scheduler.get("warmup_updates")
    if warmup is not None and warmup >= updates:
        raise BudgetError(
            f"`lr_scheduler.warmup_updates` = {warmup} is no shorter than this run of {updates} updates: choose fewer, or "
            "`schedule=polynomial`, whose warm-up is a share of the budget"
        )


def typical_crop(lengths: np.ndarray) -> int:
    """The length whose FLOPs a sample are those of all utterances together, s long each: ``sum s**2 / sum s``.

    FLOPs of an utterance are linear in its length but for attention, which is quadratic; a mean that weighs every utterance
    by its length is exact for both.
    """
    seconds = lengths.astype(np.float64)
    return round(float((seconds**2).sum() / seconds.sum()))
