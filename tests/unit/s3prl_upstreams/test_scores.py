"""What is measured on the way: written, read back, and the step that counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3prl_upstreams import scores
from s3prl_upstreams.scores import Score
from s3prl_upstreams.tasks import ModelSelection, get_task

ACCURACY = ModelSelection("dev", "acc", True, 0.0, "dev-best.ckpt")
ERRORS = ModelSelection("dev-clean", "wer", False, 100.0, "dev-clean-best.ckpt")


class Tensorboard:
    """Remembers what it's given."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def add_scalar(self, tag: str, value: float, global_step: int | None = None) -> None:
        self.seen.append((tag, value, global_step))


def test_evaluations_are_recorded_as_s3prl_logs_them(tmp_path: Path) -> None:
    writer = scores.recording(Tensorboard, tmp_path, checkpoint=None)()
    tags = {
        "asr/dev-clean-wer": 50.0,
        "ctc-snips/dev-slot_type_f1": 0.5,
        "sv-voxceleb1/train-loss": 1.0,
        "emotion-fold1/test-acc": 1,
    }
    for tag, value in tags.items():
        writer.add_scalar(tag, value, global_step=7)
    assert scores.read(tmp_path) == [
        Score("dev-clean", "wer", 50.0, 7),
        Score("dev", "slot_type_f1", 0.5, 7),
        Score("test", "acc", 1.0, 7),
    ]
    assert [tag for tag, _, _ in writer.seen] == list(tags)


def test_evaluations_of_a_checkpoint_have_no_step(tmp_path: Path) -> None:
    scores.recording(Tensorboard, tmp_path, "states-2.ckpt")().add_scalar("voxceleb1/test-acc", 0.25, 0)
    assert scores.read(tmp_path) == [Score("test", "acc", 0.25, None, "states-2.ckpt")]


def test_the_later_of_two_evaluations_of_a_step_counts(tmp_path: Path) -> None:
    for value in (0.1, 0.2):
        scores.append(tmp_path, Score("dev", "acc", value, 5))
    scores.append(tmp_path, Score("dev", "acc", 0.3, 10))
    assert scores.read(tmp_path) == [Score("dev", "acc", 0.2, 5), Score("dev", "acc", 0.3, 10)]


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    scores.append(tmp_path, Score("dev", "acc", 0.1, 5))
    with (tmp_path / scores.FILE).open("a") as file:
        file.write(json.dumps({"split": "dev"})[:-3])
    assert scores.read(tmp_path) == [Score("dev", "acc", 0.1, 5)]


def test_nothing_measured(tmp_path: Path) -> None:
    assert scores.read(tmp_path) == [] and scores.best([], ACCURACY) is None


@pytest.mark.parametrize(
    ("selection", "values", "step"),
    [
        (ACCURACY, [0.5, 0.75, 0.75, 0.6], 2),
        (ACCURACY, [0.0, 0.0], None),
        (ERRORS, [120.0, 90.0, 95.0], 2),
        (ERRORS, [100.0, 100.0], None),
    ],
)
def test_the_first_of_the_best_steps_counts_if_it_is_better_than_the_floor(
    selection: ModelSelection, values: list[float], step: int | None
) -> None:
    found = [Score(selection.split, selection.metric, value, i) for i, value in enumerate(values, start=1)]
    found.append(Score(selection.split, "loss", -1.0, 9))
    found.append(Score(selection.split, selection.metric, 1e3 if selection.higher_is_better else 0.0, None, "states-3.ckpt"))
    best = scores.best(found[::-1], selection)
    assert (best.step if best else None) == step


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_the_best_checkpoint_is_tested_or_the_last_one_where_there_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "states-500.ckpt", "states-1000.ckpt")
    assert scores.checkpoints_to_test(get_task("asr"), tmp_path) == [tmp_path / "states-1000.ckpt"]
    touch(tmp_path, "dev-clean-best.ckpt")
    assert scores.checkpoints_to_test(get_task("asr"), tmp_path) == [tmp_path / "dev-clean-best.ckpt"]


def test_verification_is_scored_on_every_second_official_checkpoint(tmp_path: Path) -> None:
    touch(tmp_path, "states-2.ckpt", "states-10.ckpt")
    asv = get_task("asv")
    assert scores.checkpoints_to_test(asv, tmp_path) == [tmp_path / "states-2.ckpt", tmp_path / "states-10.ckpt"]
    touch(tmp_path, *(f"states-{step}.ckpt" for step in range(10000, 50000, 10000)))
    assert [path.name for path in scores.checkpoints_to_test(asv, tmp_path)] == ["states-20000.ckpt", "states-40000.ckpt"]


def test_nothing_is_trained_for_query_by_example(tmp_path: Path) -> None:
    touch(tmp_path, "states-2.ckpt")
    assert scores.checkpoints_to_test(get_task("qbe"), tmp_path) == []
