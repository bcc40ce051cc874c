"""Records: one row for each trial, in its experiment folder, and one for the task, which is the chosen trial's.

The schema is that of :mod:`s3prl_upstreams.record`, and besides: `chosen`; `error` of a trial that failed; `dropped_at`, the
step at which halving gave a trial up; `selected_by`, what it was compared by; `sweep`, how it was made; `spent`.  In the
task's row, `cells` has one line for each trial and `spent` is the sum of theirs: shared passes are divided among the trials
that took part, so nothing is counted twice.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from fairseq_budget.records.base import FILE
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.provenance import versions
from s3prl_upstreams import record
from s3prl_upstreams.sweep.run import SweepRun
from s3prl_upstreams.sweep.settings import Config, SweepSettings, changes
from s3prl_upstreams.sweep.spent import TrialSpent, total

Row = dict[str, Any]


def write(settings: SweepSettings, runs: Sequence[SweepRun], chosen: float | None) -> None:
    """Write every trial's row, and the task's when a trial was chosen and tested."""
    shared = common(settings, *runs[0].plan)
    trials: list[Row] = []
    for run in runs:
        for rate in run.outcomes():
            row = {**shared, **_trial(run, rate), "chosen": rate == chosen}
            save(run.trial_folder(rate), row)
            trials.append(row)
    if chosen is not None:
        save(settings.folder, _task(settings, trials))


def write_error(settings: SweepSettings, message: str) -> None:
    """Write the task's row when nothing could be chosen."""
    save(settings.folder, failed(settings, message))


def failed(settings: SweepSettings, message: str) -> Row:
    """The row of a task without a score, with what went wrong."""
    nothing = {"dev": None, "test": None, "step": None, "lr": None, "scores": {}}
    return {**_labels(settings), **nothing, "error": message}


def save(folder: Path, row: Row) -> None:
    """Write a row as the record of a folder."""
    DownstreamRecord.of(**row).write(folder / FILE)


def read(settings: SweepSettings) -> Row | None:
    """The task's row; None if there is none yet."""
    path = settings.folder / FILE
    return DownstreamRecord.read(path).model_dump(exclude_unset=True) if path.exists() else None


def is_final(settings: SweepSettings, row: Row | None) -> bool:
    """Whether a task's row answers these settings: chosen among the same trials, without error."""
    if row is None or row.get("error"):
        return False
    return not settings.superb.trains or set(row["sweep"]["rates"]) == set(settings.rates)


def _labels(settings: SweepSettings) -> Row:
    task = settings.superb
    return {
        "task": task.name,
        "upstream": settings.upstream,
        "objective": settings.upstream,
        "size": None,
        "checkpoint": settings.checkpoint,
        **task.main.as_dict(),
        "versions": versions(("s3prl", "torch", "torchaudio")),
        "command": settings.command,
    }


def common(settings: SweepSettings, args: Namespace, config: Config) -> Row:
    """What all rows of a task have; `args` and `config` are s3prl's."""
    changed = changes(settings, config)
    return {
        **_labels(settings),
        **record.upstream_of(args),
        **record.mark(config),
        **record.corpus(settings.superb, config),
        **record.batches(settings.padding, settings.one_by_one),
        "unfrozen": settings.unfrozen,
        "upstream_lr": settings.upstream_rate,
        "steps": config["runner"].get("total_steps"),
        "seed": settings.seed,
        "sweep": {
            "rates": list(settings.rates) if settings.superb.trains else [],
            "selected_on": settings.superb.dev_split or settings.superb.test_split,
            "halving": settings.halving,
            "official": not changed,
            "changed": changed,
        },
    }


def _trial(run: SweepRun, rate: float) -> Row:
    outcome, best = run.outcomes()[rate], run.best_on_dev(rate)
    spent = outcome.spent + run.test_spent.get(rate, TrialSpent(0))
    chosen = run.task.selection
    return {
        **({"variant": run.variant} if run.variant else {}),
        **record.measured(run.task, run.trial_folder(rate)),
        "lr": rate,
        "selected_by": {"metric": chosen.metric, "value": best.value} if chosen and best else None,
        "error": outcome.failed or run.test_errors.get(rate),
        "dropped_at": outcome.dropped,
        "wall_seconds": round(spent.device_seconds, 1),
        "spent": spent.as_dict(),
    }


def _task(settings: SweepSettings, trials: Sequence[Row]) -> Row:
    """The chosen trial's row; of variants, the mean of theirs."""
    chosen = [row for row in trials if row["chosen"]]
    spent = total(TrialSpent(**row["spent"]) for row in trials)
    line = ("variant", "lr", "dev", "test", "step", "selected_by", "error", "dropped_at", "spent", "chosen")
    row = {**chosen[0], **_mean(chosen)} if len(chosen) > 1 else dict(chosen[0])
    row.pop("variant", None)
    return row | {
        "error": next((row["error"] for row in chosen if row["error"]), None),
        "wall_seconds": round(spent.device_seconds, 1),
        "spent": spent.as_dict(),
        "cells": [{key: row[key] for key in line if key in row} for row in trials],
    }


def _mean(rows: Sequence[Row]) -> Row:
    def mean(values: Sequence[float | None]) -> float | None:
        return None if None in values else fmean(value for value in values if value is not None)

    return {
        "dev": mean([row["dev"] for row in rows]),
        "test": mean([row["test"] for row in rows]),
        "step": None,
        "selected_by": None,
        "scores": {column: mean([row["scores"].get(column) for row in rows]) for column in rows[0]["scores"]},
    }
