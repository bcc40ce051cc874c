"""A study's runs as rows: one per record of OUT/pretrain/* and OUT/downstream/*/*."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fairseq_budget.arithmetic.budget import SPENT, share_spent
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.sizes import SIZES, get_size
from fairseq_budget.objectives import OBJECTIVES, shape_of
from fairseq_budget.report.fields import Fields, read_record
from fairseq_budget.report.train_log import History, place_on_flops, read_train_log

RECORD = "record.json"
OWN_SHAPE = "own shape"
"""Size of a model that has no row in the table of sizes (its record says null)."""
_OWN_UPSTREAMS = "budget_"  # how the names of s3prl_upstreams begin


@dataclass(frozen=True)
class Origin:
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
    plan: Mapping[str, float]
    """What the planner said before the run; empty where it couldn't or wasn't asked."""
    train_loss: float
    valid_loss: float
    loss_unit: str
    data_hours: float
    origin: Origin
    history: History | None

    @property
    def share(self) -> float:
        """Spent part of the budget, 0 to 1 and a little over; of several currencies the one nearest its end."""
        return share_spent(self.budget, self.spent)

    @property
    def finished(self) -> bool:
        """Whether the run stopped because its budget was spent."""
        return self.share >= SPENT

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
    origin: Origin

    @property
    def scored(self) -> bool:
        """Whether there is a test score to compare."""
        return math.isfinite(self.test)


def read_pretrain_run(folder: Path) -> PretrainRun:
    """The run in a Hydra run folder with a record; its history is None if its train.log is missing."""
    fields = read_record(folder / RECORD, "pretrain")
    spent = fields.numbers("spent", needed=("flops", "updates"))
    metrics = fields.inner("metrics")
    return PretrainRun(
        name=folder.name,
        objective=fields.text("objective"),
        size=fields.optional_text("size") or OWN_SHAPE,
        percent=_percent(fields),
        params=int(fields.number("params")),
        budget=fields.numbers("budget"),
        spent=spent,
        plan=fields.numbers("plan") if fields.values.get("plan") else {},
        train_loss=metrics.number_or_nan("train_loss"),
        valid_loss=metrics.number_or_nan("valid_loss"),
        loss_unit=fields.optional_text("loss_unit") or "unit not recorded",
        data_hours=fields.inner("data").number_or_nan("hours"),
        origin=_read_origin(fields),
        history=_read_history(folder / (fields.optional_text("train_log") or "train.log"), spent),
    )


def read_downstream_run(folder: Path) -> DownstreamRun:
    """The run in an s3prl experiment folder with a record."""
    fields = read_record(folder / RECORD, "downstream")
    own = fields.text("upstream").startswith(_OWN_UPSTREAMS)
    factor, unit = _unit(fields)
    return DownstreamRun(
        name=folder.name,
        task=fields.text("task"),
        objective=fields.text("objective"),
        size=fields.optional_text("size") or (OWN_SHAPE if own else None),
        metric=fields.text("metric"),
        higher_is_better=fields.values.get("higher_is_better") is not False,
        unit=unit,
        dev=factor * fields.number_or_nan("dev"),
        test=factor * fields.number_or_nan("test"),
        step=fields.number_or_nan("step"),
        steps=fields.number_or_nan("steps"),
        lr=fields.number_or_nan("lr"),
        wall_seconds=fields.number_or_nan("wall_seconds"),
        origin=_read_origin(fields),
    )


def _unit(fields: Fields) -> tuple[float, str]:
    """What s3prl's numbers are multiplied by, and the unit that they're in then; older records have neither."""
    if "factor" in fields.values:
        return fields.number("factor"), fields.optional_text("unit") or ""
    return (100.0, "%") if fields.text("metric") == "acc" else (1.0, "")


def order(objective: str, size: str | None, params: float) -> tuple[int, float, int, str]:
    """Sort key of every list on the page: objectives as in the paper, sizes by parameters, anything else last."""
    objectives, sizes = list(OBJECTIVES), list(SIZES)
    return (
        objectives.index(objective) if objective in objectives else len(objectives),
        params,
        sizes.index(size) if size in sizes else len(sizes),
        f"{objective}-{size}",
    )


def _percent(fields: Fields) -> float:
    """Parameters relative to Slim's; the nominal percentage where the record has one."""
    nominal = fields.number_or_nan("percent")
    if math.isfinite(nominal):
        return nominal
    slim = count_parameters(shape_of(fields.text("objective"), get_size("slim")))
    return 100 * fields.number("params") / slim


def _read_origin(fields: Fields) -> Origin:
    versions = {name: str(value) for name, value in fields.inner("versions").values.items()}
    return Origin(versions, fields.optional_text("git"), fields.optional_text("command"))


def _read_history(log: Path, spent: Mapping[str, float]) -> History | None:
    if not log.is_file():
        return None
    return place_on_flops(read_train_log(log), spent["updates"], spent["flops"])
