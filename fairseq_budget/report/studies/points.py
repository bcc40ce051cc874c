"""A study's own points: what its cells came to, seeds together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fairseq_budget.errors import BudgetError
from fairseq_budget.published.columns import COLUMNS, Column
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.gradients import GradientRecord
from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.records.recognition import RecognitionRecord
from fairseq_budget.records.resources import DownstreamResourcesRecord, ResourcesRecord
from fairseq_budget.report.studies.cost import evaluation_flops, training_flops
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.study import DOWNSTREAM, GRADIENTS, RECOGNITION, RESOURCES, Cell, Study

LOSSES = {
    "valid_loss": Column("valid_loss", "validation", "loss", False, decimals=3),
    "train_loss": Column("train_loss", "training", "loss", False, decimals=3),
}
"""Columns that aren't SUPERB's; each objective has its own unit."""
NAMED = "valid_loss_on_"
"""How the key of the loss on a validation set begins, of those after the first, which is `valid_loss`."""
SETS = {"test-clean": "clean", "test-other": "other", "valid": "valid"}
RECOGNISED = {
    f"{short}_{decoder}": Column(f"{short}_{decoder}", f"{name}, {decoder}", "WER", False)
    for name, short in SETS.items()
    for decoder in ("letters", "words")
}
"""Word error rates after fine-tuning, by set and by how they were decoded."""
MEASURED_STEPS = {
    "step_seconds": Column("step_seconds", "step", "seconds", False, decimals=3),
    "peak_gb": Column("peak_gb", "step", "memory, GB", False, decimals=2),
    "step_gflop": Column("step_gflop", "step", "GFLOP", False, decimals=1),
}
"""What a step takes."""
DEVIATION = Column("deviation", "gradient", "deviation", False, decimals=6)
OTHERS = RECOGNISED | MEASURED_STEPS | {DEVIATION.key: DEVIATION}
PERCENT = RECOGNISED.keys() | COLUMNS.keys()
"""What is given in percent."""


def column(key: str) -> Column:
    """A loss or a score by its key."""
    if key.startswith(NAMED):
        return Column(key, f"validation on {key.removeprefix(NAMED)}", "loss", False, decimals=3)
    return LOSSES.get(key) or OTHERS.get(key) or COLUMNS[key]


def is_loss(key: str) -> bool:
    """Whether each objective has its own unit of it."""
    return key in LOSSES or key.startswith(NAMED)


@dataclass(frozen=True)
class StudyPoint:
    """A place on a curve: cells that differ in nothing but their seeds."""

    objective: str
    series: str
    x: float
    cells: tuple[str, ...]
    values: Mapping[str, tuple[float, ...]]
    """By column, a number for each seed that has one."""
    records: tuple[PretrainingRecord, ...] = field(repr=False)
    """None where a step was measured and nothing trained."""
    spent: tuple[Mapping[str, float], ...] = field(repr=False)
    """By each cell, in every currency, up to the checkpoint."""
    flops: Mapping[str, float] = field(repr=False)
    """By score: what it cost in all, the mean over seeds (:mod:`fairseq_budget.report.studies.cost`)."""

    def mean(self, key: str) -> float | None:
        """Over seeds; None where there is no number."""
        return statistics.fmean(self.values[key]) if self.values.get(key) else None


@dataclass(frozen=True)
class Found:
    """The points of a study, and a sentence on each cell that isn't part of them or can't be compared."""

    points: tuple[StudyPoint, ...]
    remarks: tuple[str, ...]

    def having(self, key: str) -> list[StudyPoint]:
        """The points with a number in a column."""
        return [point for point in self.points if point.values.get(key)]

    def columns(self, study: Study) -> list[str]:
        """Those of the study, and after the validation loss those on further sets."""
        named = {key for point in self.points for key in point.values if key.startswith(NAMED)}
        return [key for own in study.columns for key in (own, *(sorted(named) if own == "valid_loss" else ()))]


def read_points(cells: Iterable[Cell], place: Place) -> Found:
    """What the finished cells came to: curves in the order in which the study declares them, points along the axis."""
    groups: dict[tuple[str, str, float], list[tuple[Cell, PretrainingRecord]]] = {}
    remarks, points = [], []
    for cell in cells:
        if cell.auxiliary:
            continue
        if not cell.recipe:
            points.append(_measured(cell, place))
            continue
        try:
            record = place.read_record(cell)
        except BudgetError:
            remarks.append(f"{cell.name}: not trained yet.")
            continue
        if record.collapsed:
            remarks.append(f"{cell.name}: {record.collapsed}; it is left out.")
        elif record.finished or (cell.looks_at is not None and place.checkpoint(cell).is_file()):
            groups.setdefault((cell.recipe, cell.series, cell.x), []).append((cell, record))
        else:
            remarks.append(f"{cell.name}: {100 * record.share:.1f}% of its budget is spent; it is left out.")
    points = [point for point in points if point.values] + [_point(key, own, place) for key, own in groups.items()]
    order = list(dict.fromkeys(point.series for point in points))
    points.sort(key=lambda point: (order.index(point.series), point.x))
    return Found(tuple(points), tuple([*remarks, *_not_comparable(points)]))


def _point(key: tuple[str, str, float], own: Sequence[tuple[Cell, PretrainingRecord]], place: Place) -> StudyPoint:
    values: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    for cell, record in own:
        for name, value in _losses(record) if cell.looks_at is None else ():  # of the end, not of an earlier checkpoint
            if value is not None and math.isfinite(value):
                values.setdefault(name, []).append(value)
        trained = training_flops(record, _share(cell, record))
        for task, name, value in _scores(cell, place):
            values.setdefault(name, []).append(value)
            costs.setdefault(name, []).append(trained + evaluation_flops(cell, task, place))
    names = tuple(cell.name for cell, _ in own)
    found = {name: tuple(numbers) for name, numbers in values.items()}
    flops = {name: statistics.fmean(numbers) for name, numbers in costs.items()}
    return StudyPoint(*key, names, found, tuple(r for _, r in own), tuple(_spent(*one) for one in own), flops)


def _losses(record: PretrainingRecord) -> Iterator[tuple[str, float | None]]:
    metrics = record.metrics
    yield from (("valid_loss", metrics.valid_loss), ("train_loss", metrics.train_loss))
    for name, loss in metrics.valid_losses.items():
        if name != metrics.valid_set:
            yield f"{NAMED}{name}", loss


def _measured(cell: Cell, place: Place) -> StudyPoint:
    """A step's; no values where it wasn't measured yet, or memory ran out."""
    path, values = place.score(cell, cell.tasks[0]), dict[str, float | None]()
    if cell.tasks == (DOWNSTREAM,) and path.is_file():
        batches = DownstreamResourcesRecord.read(path)
        values = {"step_seconds": batches.step_seconds, "peak_gb": batches.peak_bytes and batches.peak_bytes / 1e9}
    for one in ResourcesRecord.read(path).results if cell.tasks == (RESOURCES,) and path.is_file() else ():
        values |= {"step_seconds": one.step_seconds, "peak_gb": one.peak_bytes and one.peak_bytes / 1e9}
        values |= {} if one.out_of_memory else {"step_gflop": one.flops / 1e9}
    found = {name: (value,) for name, value in values.items() if value is not None}
    return StudyPoint("wav2vec2", cell.series, cell.x, (cell.name,), found, (), (), {})


def _spent(cell: Cell, record: PretrainingRecord) -> dict[str, float]:
    """Up to the cell's checkpoint; of a kept one, the run's by its share of updates, all of which cost the same."""
    return {name: _share(cell, record) * amount for name, amount in record.amounts_spent.items()}


def _share(cell: Cell, record: PretrainingRecord) -> float:
    """Of the run's updates, up to the cell's checkpoint."""
    updates = None if cell.looks_at is None else cell.looks_at.updates
    return 1.0 if updates is None else updates / record.amounts_spent["updates"]


def _scores(cell: Cell, place: Place) -> Iterable[tuple[str, str, float]]:
    """Task, column and score of every task that has one, and whose corpus was complete."""
    for task in cell.tasks:
        path = place.score(cell, task)
        if not path.is_file():
            continue
        if task == RECOGNITION:
            results = RecognitionRecord.read(path).results
            yield from ((task, f"{SETS[one.set]}_{one.decoder}", one.wer) for one in results if one.wer is not None)
            continue
        if task == GRADIENTS:
            yield from ((task, "deviation", one.deviation) for one in GradientRecord.read(path).results)
            continue
        record = DownstreamRecord.read(path)
        if record.finished and record.incomplete is None:
            yield from (
                (task, name, score) for name, score in record.scores.items() if score is not None and name in COLUMNS
            )


def _not_comparable(points: Sequence[StudyPoint]) -> Iterable[str]:
    """Runs of one study that differ in more than it varies: corpus, convention of counting, software."""
    told: dict[str, Callable[[PretrainingRecord], object]] = {
        "FLOPs are counted by different conventions": lambda r: r.flops_convention,
        "they were validated on different audio": _validation_data,
        "they were trained with different versions of torch": lambda r: r.versions.get("torch"),
    }
    for sentence, what in told.items():
        if len({str(what(record)) for point in points for record in point.records}) > 1:
            yield f"Not all cells can be compared: {sentence}."


def _validation_data(record: PretrainingRecord) -> object:
    digests = (record.data.model_extra or {}).get("digests")
    return digests.get("valid") if isinstance(digests, dict) else None
