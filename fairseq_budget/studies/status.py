"""How far each cell of a study is, from what lies in its folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fairseq_budget import locks
from fairseq_budget.arithmetic import numbers
from fairseq_budget.errors import BudgetError
from fairseq_budget.records.base import Record
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.gradients import GradientRecord
from fairseq_budget.records.pretraining import STOPPED_EARLY
from fairseq_budget.records.progress import FILE as PROGRESS
from fairseq_budget.records.progress import read_progress
from fairseq_budget.records.recognition import RecognitionRecord
from fairseq_budget.records.resources import DownstreamResourcesRecord, ResourcesRecord
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.study import DOWNSTREAM, GRADIENTS, OWN_TASKS, RECOGNITION, RESOURCES, Cell

EVALUATIONS: dict[str, type[Record]] = {
    RECOGNITION: RecognitionRecord,
    GRADIENTS: GradientRecord,
    RESOURCES: ResourcesRecord,
    DOWNSTREAM: DownstreamResourcesRecord,
}
"""The records of evaluations that aren't SUPERB's."""
LAST_BYTES = 2**18
"""Of a log that are looked through."""
DONE, RUNNING, STOPPED, FAILED, MISSING = "done", "running", "stopped", "failed", "missing"


@dataclass(frozen=True)
class State:
    """A cell: its training, and the tasks that have a score."""

    cell: Cell
    training: str
    """`DONE` (its budget is spent, the checkpoint that it looks at is there, or nothing is to be trained), `RUNNING`,
    `STOPPED` (goes on from its checkpoint), `FAILED` (began, and left no checkpoint) or `MISSING`."""
    share: float
    """Spent part of its budget."""
    scored: tuple[str, ...]
    remark: str = ""
    seconds_left: float | None = None
    """Of a running one that has told it."""

    @property
    def unscored(self) -> tuple[str, ...]:
        """Tasks of the cell that have no score yet."""
        return tuple(task for task in self.cell.tasks if task not in self.scored)

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.training == DONE and not self.unscored

    @property
    def text(self) -> str:
        """For a table."""
        if self.training not in (RUNNING, STOPPED):
            return self.training
        left = "" if self.seconds_left is None else f", {numbers.duration(self.seconds_left)} left"
        return f"{self.training} at {numbers.percent(self.share)}{left}"


def states(cells: Iterable[Cell], place: Place) -> list[State]:
    """The state of every cell."""
    return [_state(cell, place) for cell in cells]


def _state(cell: Cell, place: Place) -> State:
    scored = tuple(task for task in cell.tasks if _has_score(cell, task, place))
    if not cell.recipe:
        return State(cell, DONE, 1.0, scored)
    if cell.looks_at is not None:
        there = place.checkpoint(cell).is_file()
        return State(cell, DONE if there else MISSING, float(there), scored)
    record, remark = None, ""
    if place.record(cell).is_file():
        try:
            record = place.read_record(cell)
        except BudgetError as error:
            remark = str(error)
    share = 0.0 if record is None else min(record.share, 1.0)
    if record is not None and record.finished:
        return State(cell, DONE, share, scored)
    if locks.held(place.checkpoint(cell).with_name(locks.RUN)):
        told = read_progress(place.run(cell) / PROGRESS)
        if told is None:
            return State(cell, RUNNING, share, scored)
        return State(cell, RUNNING, max(share, told.share), scored, seconds_left=told.seconds_left)
    if record is not None:
        return State(cell, STOPPED, share, scored)
    return State(cell, FAILED if _failed(place, cell) else MISSING, share, scored, remark)


def _failed(place: Place, cell: Cell) -> bool:
    """Whether a run began, left no checkpoint, and wasn't asked to stop before there could be one."""
    log = place.run(cell) / "hydra_train.log"
    if not log.is_file():
        return (place.run(cell) / "train.log").is_file()
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - LAST_BYTES, 0))
        return STOPPED_EARLY.encode() not in file.read()


def _has_score(cell: Cell, task: str, place: Place) -> bool:
    path = place.score(cell, task)
    try:
        if task in OWN_TASKS:  # written when all is measured
            return bool(path.is_file() and EVALUATIONS[task].read(path))
        return path.is_file() and DownstreamRecord.read(path).finished
    except BudgetError:
        return False
