"""A study's runs as rows, one for each record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.sizes import SIZES, get_size
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.objectives import FINE_TUNING, OBJECTIVES, shape_of
from fairseq_budget.objectives.objective import OWN_TERM, Objective
from fairseq_budget.records.base import FILE, Record
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.items import item_scores
from fairseq_budget.records.names import OWN_SHAPE, UNTRAINED, size_of_upstream
from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.report.train_log import History, place_on_flops, read_train_log


@dataclass(frozen=True)
class RunOrigin:
    """What is needed to run it again: versions by package, git revision, command line."""

    versions: Mapping[str, str]
    git: str | None
    command: str | None


@dataclass(frozen=True)
class PretrainRun:
    """One pre-training run; a number that was not recorded is NaN.

    Budget and spent are amounts by currency: ``flops``, ``hours_heard``, ``device_hours``, ``updates``.
    """

    name: str
    objective: str
    size: str
    percent: float
    params: int
    budget: Mapping[str, float]
    spent: Mapping[str, float]
    share: float
    """Spent part of the budget; see :attr:`PretrainingRecord.share`."""
    finished: bool
    plan: Mapping[str, float]
    """What the planner said before the run; empty where it couldn't or wasn't asked."""
    train_loss: float
    valid_loss: float
    loss_unit: str
    data_hours: float
    origin: RunOrigin
    history: History | None
    frontend: str = DEFAULT
    guessing: float = math.nan
    """The objective's own term for who hears nothing, where it is known."""
    folder: Path = Path()
    collapsed: str | None = None
    """Why its losses say nothing; such a run has no validation loss here."""

    @property
    def epochs(self) -> float:
        """Passes over the training audio."""
        return self.spent.get("hours_heard", math.nan) / self.data_hours

    @property
    def flops_per_second(self) -> float:
        """Training FLOPs over wall time; NaN where the record has no wall time."""
        seconds = self.spent.get("wall_seconds", 0.0)
        return self.spent["flops"] / seconds if seconds > 0 else math.nan


@dataclass(frozen=True)
class DownstreamRun:
    """One downstream run; `size` is None for an upstream that was not pre-trained here (FBANK).

    `dev` and `test` are scores of the checkpoint that did best on dev, at `step` of `steps`, in `unit`; NaN: not recorded.
    `incomplete` says how many files the corpus lacked, if it lacked any.
    """

    name: str
    task: str
    objective: str
    size: str | None
    metric: str
    higher_is_better: bool
    unit: str
    dev: float
    test: float
    step: float
    steps: float
    lr: float
    wall_seconds: float
    origin: RunOrigin
    incomplete: str | None = None
    checkpoint: str | None = None
    tried: tuple[float, ...] = ()
    """Learning rates of a sweep, of which the best on dev is `lr`."""
    items: Mapping[str, float] = field(default_factory=dict)
    """By test item, the score where it was right and 0 where not; empty where the task doesn't tell."""

    @property
    def pretrained(self) -> bool:
        """Whether its upstream is one that was pre-trained here."""
        return self.size is not None and not self.objective.startswith(UNTRAINED)

    @property
    def scored(self) -> bool:
        """Whether there is a test score to compare, which that of an incomplete corpus isn't."""
        return math.isfinite(self.test) and self.incomplete is None


def read_pretrain_run(folder: Path) -> PretrainRun:
    """The run in a Hydra run folder with a record; its history is None if its train.log is missing."""
    record = PretrainingRecord.read(folder / FILE)
    spent, objective = record.amounts_spent, (OBJECTIVES | FINE_TUNING).get(record.objective)
    history = _read_history(folder / (record.train_log or "train.log"), spent, objective)
    return PretrainRun(
        name=folder.name,
        objective=record.objective,
        size=record.size or OWN_SHAPE,
        percent=_percent(record),
        params=int(record.params),
        budget=record.budget,
        spent=spent,
        share=record.share,
        finished=record.finished,
        plan=record.plan or {},
        train_loss=_or_nan(record.metrics.train_loss),
        valid_loss=math.nan if record.collapsed else _or_nan(record.metrics.valid_loss),
        loss_unit=record.loss_unit or "unit not recorded",
        data_hours=_or_nan(record.data.hours),
        origin=_origin(record),
        history=history,
        frontend=record.frontend,
        guessing=_guessing(record, objective, history),
        folder=folder,
        collapsed=record.collapsed,
    )


def read_downstream_run(folder: Path) -> DownstreamRun | None:
    """The run in an s3prl experiment folder with a record; None for a trial of a sweep, whose task has its own."""
    record = DownstreamRecord.read(folder / FILE)
    if record.is_trial:
        return None
    factor, unit = record.in_units
    return DownstreamRun(
        name=folder.name,
        task=record.task,
        objective=record.objective,
        size=size_of_upstream(record.upstream, record.size),
        metric=record.metric or "",
        higher_is_better=record.higher_is_better,
        unit=unit,
        dev=factor * _or_nan(record.dev),
        test=factor * _or_nan(record.test),
        step=_or_nan(record.step),
        steps=_or_nan(record.steps),
        lr=_or_nan(record.lr),
        wall_seconds=_or_nan(record.wall_seconds),
        origin=_origin(record),
        incomplete=None if record.incomplete is None else str(record.incomplete),
        checkpoint=record.checkpoint,
        tried=() if record.sweep is None else tuple(sorted(record.sweep.rates)),
        items={name: factor * share for name, share in item_scores(folder, record.metric).items()},
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def order(objective: str, size: str | None, params: float) -> tuple[int, float, int, str]:
    """Sort key of every list on the page: objectives as in the paper, sizes by parameters, anything else last."""
    objectives, sizes = list(OBJECTIVES), list(SIZES)
    return (
        objectives.index(objective) if objective in objectives else len(objectives),
        params,
        sizes.index(size) if size in sizes else len(sizes),
        f"{objective}-{size}",
    )


def _percent(record: PretrainingRecord) -> float:
    """Parameters relative to Slim's; the nominal percentage where the record has one."""
    if record.percent is not None:
        return record.percent
    return 100 * record.params / count_parameters(shape_of(record.objective, get_size("slim")))


def _origin(record: Record) -> RunOrigin:
    return RunOrigin(record.versions, record.git, record.command)


def _guessing(record: PretrainingRecord, objective: Objective | None, history: History | None) -> float:
    """As recorded; of records that don't tell, of the published settings, or of the log's best constant."""
    if record.guessing_loss is not None:
        return record.guessing_loss
    published = None if objective is None else objective.config().guessing_loss()
    return _or_nan(published if published is not None or history is None else history.constant)


def _read_history(log: Path, spent: Mapping[str, float], objective: Objective | None) -> History | None:
    if not log.is_file():
        return None
    history = read_train_log(log, OWN_TERM if objective is None else objective.own_term)
    if history.mixed_with is not None:
        return History(mixed_with=history.mixed_with)
    return place_on_flops(history, spent["updates"], spent["flops"])
