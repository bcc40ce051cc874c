"""What a run had spent when it saved a checkpoint, whichever version wrote it, and what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairseq_budget.arithmetic.currencies import with_current_names
from fairseq_budget.checkpoints.safe_load import plain


def ledger_of(checkpoint: Mapping[str, Any]) -> dict[str, float] | None:
    """The ledger in a checkpoint that was read as data; None for a model that wasn't trained here.

    It lies in the state of the schedule, under `run`; before 0.4.0, in that of the task.
    """
    history = checkpoint.get("optimizer_history") or [{}]
    schedule = history[-1].get("lr_scheduler_state") or {}
    run = schedule.get("run") or checkpoint.get("task_state") or {}
    ledger = run.get("ledger")
    return with_current_names(ledger) if ledger else None


def labels_of(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What the task told of its labels or transcripts; nothing of a model that had none, or wasn't trained here."""
    return (plain(checkpoint.get("task_state")) or {}).get("labels") or {}
