"""Finding a study's runs, and naming what is missing from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fairseq_budget.arithmetic.numbers import percent
from fairseq_budget.errors import BudgetError
from fairseq_budget.records.base import FILE, find_records
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.first_look import FirstLookRecord
from fairseq_budget.records.kinds import AFTER_PRETRAINING
from fairseq_budget.report.runs import (
    DownstreamRun,
    PretrainRun,
    order,
    read_downstream_run,
    read_pretrain_run,
)

MOST_NAMES = 5
"""Of runs in a sentence."""


@dataclass(frozen=True)
class StudyRuns:
    """All runs under one folder, sorted by objective and parameters, and one sentence for each thing that is missing."""

    pretrain: tuple[PretrainRun, ...]
    downstream: tuple[DownstreamRun, ...]
    missing: tuple[str, ...]
    first_looks: tuple[FirstLookRecord, ...] = ()

    @property
    def objectives(self) -> list[str]:
        """Objectives with a pre-training run, in order of the page."""
        return list(dict.fromkeys(run.objective for run in self.pretrain))

    @property
    def tasks(self) -> list[str]:
        """Downstream tasks with a result, by name."""
        return sorted({run.task for run in self.downstream})

    def of_objective(self, objective: str) -> list[PretrainRun]:
        """Pre-training runs of one objective by parameters."""
        return [run for run in self.pretrain if run.objective == objective]

    def of_task(self, task: str) -> list[DownstreamRun]:
        """Downstream runs of one task in order of the page."""
        return [run for run in self.downstream if run.task == task]


def read_study(out: Path) -> StudyRuns:
    """Every run under `out`, at any depth: a folder of run.sh's, of a multirun, or one that holds several.

    Raises:
        BudgetError: there is no run at all, or a record cannot be read.
    """
    records = find_records(out)
    scored = [path.parent for path, kind in records.items() if kind == DownstreamRecord.KIND]
    trained = [path.parent for path, kind in records.items() if kind not in AFTER_PRETRAINING]
    pretrain = [replace(read_pretrain_run(folder), name=_name(folder, trained, out)) for folder in trained]
    downstream = [run for folder in scored if (run := read_downstream_run(folder)) is not None]
    if not pretrain and not downstream:
        raise BudgetError(
            f"no run to report: there is no {FILE} below `{out}`; "
            f"run `./run.sh --out {out}`, or give the folder that it wrote (a run has a record once it has a checkpoint)"
        )
    pretrain.sort(key=lambda run: order(run.objective, run.size, run.params))
    params = {run.name: run.params for run in pretrain}
    downstream.sort(key=lambda run: (run.task, *order(run.objective, run.size, params.get(run.name, math.inf))))
    missing = [*_without_record(out), *_gaps(pretrain, downstream)]
    looks = [FirstLookRecord.read(path) for path, kind in records.items() if kind == FirstLookRecord.KIND]
    return StudyRuns(tuple(pretrain), tuple(downstream), tuple(missing), tuple(looks))


def _name(folder: Path, others: Sequence[Path], out: Path) -> str:
    """A run's folder; with those above it where another run's has the same name."""
    alike = [other for other in others if other.name == folder.name]
    return folder.name if len(alike) == 1 else str(folder.relative_to(out))


def _without_record(out: Path) -> Iterator[str]:
    """Folders in which training began, and those of run.sh that wait for it."""
    begun = {path.parent for path in out.rglob("train.log")} | {path for path in out.glob("pretrain/*") if path.is_dir()}
    for folder in sorted(begun):
        if not (folder / FILE).is_file():
            yield f"{folder.relative_to(out)}: no {FILE} (the run has not reached its first checkpoint)."
    for folder in sorted(path for path in out.glob("downstream/*/*") if path.is_dir()):
        if not (folder / FILE).is_file():
            yield f"{folder.relative_to(out)}: no {FILE} (the downstream run has not ended)."


def _gaps(pretrain: list[PretrainRun], downstream: list[DownstreamRun]) -> Iterator[str]:
    if not pretrain:
        yield "No pre-training run has left a record: there are no losses and no costs to show."
    for run in pretrain:
        yield from _gaps_of(run)
    if not downstream:
        yield "There is no downstream result yet."
        return
    scored = {run.name for run in downstream}
    unscored = [run.name for run in pretrain if run.name not in scored]
    if unscored:
        more = f" and {len(unscored) - MOST_NAMES} more" if len(unscored) > MOST_NAMES else ""
        yield f"No downstream result for {', '.join(unscored[:MOST_NAMES])}{more}."


def _gaps_of(run: PretrainRun) -> Iterator[str]:
    if not run.finished:
        yield (
            f"{run.name}: unfinished, {percent(run.share)} of its budget is spent; "
            "it is left out of every comparison at equal budget."
        )
    if run.history is None:
        yield f"{run.name}: its train.log is missing, so its loss curve is."
    elif run.history.mixed_with is not None:
        yield (
            f"{run.name}: its train.log also holds the run whose log is `{run.history.mixed_with}` "
            "(multiruns of 0.3.1 mixed them), so its loss curve is left out."
        )
    elif not run.history.train and not run.history.valid:
        yield f"{run.name}: its train.log holds no JSON line (is common.log_format=json?), so its loss curve is missing."
    if run.collapsed:
        yield f"{run.name}: {run.collapsed}; it is left out of every comparison."
    elif not math.isfinite(run.valid_loss):
        yield f"{run.name}: no finite validation loss recorded (not validated yet, or diverged)."
