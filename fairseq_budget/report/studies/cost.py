"""What a score cost in all: pre-training and its earlier rounds, making labels, fine-tuning, evaluation."""

from __future__ import annotations

from typing import Any

from fairseq_budget.errors import BudgetError
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.study import OWN_TASKS, Cell


def training_flops(record: PretrainingRecord, share: float) -> float:
    """FLOPs up to a checkpoint: of all rounds, of making labels, and of the run that it began from.

    `share`: of the run's own updates.
    """
    extra: dict[str, Any] = record.model_extra or {}
    own = share * record.amounts_spent["flops"]
    earlier = (extra.get("all_rounds") or {}).get("flops", record.amounts_spent["flops"]) - record.amounts_spent["flops"]
    parent = extra.get("parent") or {}
    inherited = parent.get("inherited", {}).get("flops", 0)  # is in the run's own already
    begun = max((parent.get("spent") or {}).get("flops", 0) - inherited, 0)
    return own + earlier + float(extra.get("labelling_flops") or 0) + begun


def evaluation_flops(cell: Cell, task: str, place: Place) -> float:
    """Of all trials of a task: the upstream's passes and the heads'.  0 where the record doesn't tell, as of recognition,
    whose one pass over the test sets is little beside the training."""
    if task in OWN_TASKS:
        return 0.0
    try:
        spent = DownstreamRecord.read(place.score(cell, task)).spent or {}
    except BudgetError:
        return 0.0
    return float(spent.get("upstream_flops", 0)) + float(spent.get("head_flops", 0))
