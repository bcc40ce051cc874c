"""``scores.jsonl``: every number that a task's expert logs when it evaluates, one line each, whatever the task.

s3prl's experts print some scores, write some to ``log.log``, and give all of them to TensorBoard; so that is where they are
taken.  A line is {"split", "metric", "value", "step", "checkpoint"}: `step` for an evaluation while training, `checkpoint`
(a file's name) for one of a checkpoint, the other being null.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks import ModelSelection, Task

FILE = "scores.jsonl"


@dataclass(frozen=True)
class Score:
    """A number in s3prl's own unit, and what it was measured on."""

    split: str
    metric: str
    value: float
    step: int | None = None
    checkpoint: str | None = None


def append(folder: Path, score: Score) -> None:
    """Add a line to the file in an experiment folder."""
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(score)) + "\n")


def read(folder: Path) -> list[Score]:
    """All scores of an experiment folder, in order, without those of a step or checkpoint that was evaluated again later."""
    path = folder / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    latest: dict[tuple[Any, ...], Score] = {}
    for number, line in enumerate(lines, start=1):
        if not line.endswith("}"):
            continue  # cut off by a kill
        score = _parse(path, number, line)
        latest[score.split, score.metric, score.step, score.checkpoint] = score
    return list(latest.values())


def _parse(path: Path, number: int, line: str) -> Score:
    try:
        score = Score(**json.loads(line))
        hash((score.split, score.metric, score.step, score.checkpoint))
        if not isinstance(score.value, int | float) or not isinstance(score.step, int | None):
            raise ValueError("a number is wanted")
    except (ValueError, TypeError, RecursionError) as error:
        raise BudgetError(f"`{path}`, line {number}: no score ({str(error)[:80]}): delete the line") from error
    return score


def best(scores: list[Score], selection: ModelSelection) -> Score | None:
    """The evaluation whose checkpoint s3prl keeps as the best; None if none was better than the floor."""
    found = [score for score in scores if score.split == selection.split and score.metric == selection.metric]
    chosen: Score | None = None
    for score in sorted((score for score in found if score.step is not None), key=lambda score: score.step or 0):
        limit = selection.floor if chosen is None else chosen.value
        if score.value > limit if selection.higher_is_better else score.value < limit:
            chosen = score
    return chosen


def checkpoints_to_test(task: Task, folder: Path) -> list[Path]:
    """The checkpoints of a finished run that the task's protocol scores on test; the best of their scores counts.

    One, the best on dev, for most tasks; where no evaluation was better than s3prl's floor (an accuracy of 0, a word error
    rate of 100 %) it saved none, and the last states file stands in.  For ASV every 20000th update's (s3prl's
    sv_voxceleb1/test_expdir.sh), or all of a run that was too short to have any.
    """
    if not task.trains:
        return []
    states = sorted(folder.glob("states-*.ckpt"), key=_step)
    if task.selection is None:
        return [path for path in states if _step(path) % 20000 == 0] or states
    chosen = folder / task.selection.checkpoint
    return [chosen] if chosen.exists() else states[-1:]


def _step(states: Path) -> int:
    return int(states.stem.removeprefix("states-"))


def recording(writer_class: type, folder: Path, checkpoint: str | None) -> type:
    """TensorBoard's writer `writer_class`, such that evaluations' scalars go to ``scores.jsonl`` as well.

    With a `checkpoint` they are those of a checkpoint, else those of the step that s3prl gives.
    """

    class Recorder(writer_class):  # type: ignore[misc]
        """s3prl's tags are TASK/SPLIT-METRIC, and splits may have hyphens, too."""

        def add_scalar(self, tag: str, value: Any, global_step: int | None = None, *args: Any, **kwargs: Any) -> None:
            split, _, metric = tag.rpartition("/")[2].rpartition("-")
            if split != "train":
                append(folder, Score(split, metric, float(value), None if checkpoint else global_step, checkpoint))
            super().add_scalar(tag, value, global_step, *args, **kwargs)

    return Recorder
