"""Finding a study's runs, and naming what is missing from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fairseq_budget.arithmetic.numbers import percent
from fairseq_budget.errors import BudgetError
from fairseq_budget.records.base import FILE
from fairseq_budget.report.runs import (
    DownstreamRun,
    PretrainRun,
    order,
    read_downstream_run,
    read_pretrain_run,
)


@dataclass(frozen=True)
class Study:
    """All runs under one folder, sorted by objective and parameters, and one sentence for each thing that is missing."""

    pretrain: tuple[PretrainRun, ...]
    downstream: tuple[DownstreamRun, ...]
    missing: tuple[str, ...]

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


def read_study(out: Path) -> Study:
    """Every run under `out`.

    Raises:
        BudgetError: there is no run at all, or a record cannot be read.
    """
    pretrain_folders, downstream_folders = _folders(out, "pretrain/*"), _folders(out, "downstream/*/*")
    pretrain = [read_pretrain_run(folder) for folder in pretrain_folders if (folder / FILE).is_file()]
    downstream = [read_downstream_run(folder) for folder in downstream_folders if (folder / FILE).is_file()]
    if not pretrain and not downstream:
        raise BudgetError(
            f"no run to report: `{out}` has neither pretrain/*/{FILE} nor downstream/*/*/{FILE}; "
            f"run `./run.sh --out {out}`, or give the folder that it wrote (a run has a record once it has a checkpoint)"
        )
    pretrain.sort(key=lambda run: order(run.objective, run.size, run.params))
    params = {run.name: run.params for run in pretrain}
    downstream.sort(key=lambda run: (run.task, *order(run.objective, run.size, params.get(run.name, math.inf))))
    missing = [*_without_record(out, pretrain_folders, downstream_folders), *_gaps(pretrain, downstream)]
    return Study(tuple(pretrain), tuple(downstream), tuple(missing))


def _folders(out: Path, pattern: str) -> list[Path]:
    return sorted(path for path in out.glob(pattern) if path.is_dir())


def _without_record(out: Path, pretrain: list[Path], downstream: list[Path]) -> Iterator[str]:
    for folder in pretrain:
        if not (folder / FILE).is_file():
            yield f"{folder.relative_to(out)}: no {FILE} (the run has not reached its first checkpoint)."
    for folder in downstream:
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
        yield f"No downstream result for {', '.join(unscored)}."


def _gaps_of(run: PretrainRun) -> Iterator[str]:
    if not run.finished:
        yield (
            f"{run.name}: unfinished, {percent(run.share)} of its budget is spent; "
            "it is left out of every comparison at equal budget."
        )
    if run.history is None:
        yield f"{run.name}: its train.log is missing, so its loss curve is."
    elif not run.history.train and not run.history.valid:
        yield f"{run.name}: its train.log holds no JSON line (is common.log_format=json?), so its loss curve is missing."
    if not math.isfinite(run.valid_loss):
        yield f"{run.name}: no finite validation loss recorded (not validated yet, or diverged)."
