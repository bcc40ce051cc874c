"""Test items that were right, from files that s3prl left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairseq_budget.records.items import right_items

RECORD = {"kind": "downstream", "task": "ks", "upstream": "fbank", "objective": "fbank"}


def write(folder: Path, predicted: str, truth: str = "a.wav yes\nb.wav no\n") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test_predict.txt").write_text(predicted)
    (folder / "test_truth.txt").write_text(truth)


def test_of_a_run_and_of_a_sweeps_chosen_trial(tmp_path: Path) -> None:
    write(tmp_path / "run", "b.wav yes\na.wav yes\n")
    assert right_items(tmp_path / "run") == {"a.wav": 1.0, "b.wav": 0.0}
    for name, chosen, predicted in (("lr_0.1", False, "a.wav no\nb.wav yes\n"), ("lr_1", True, "a.wav yes\nb.wav no\n")):
        write(tmp_path / "sweep" / name, predicted)
        (tmp_path / "sweep" / name / "record.json").write_text(json.dumps(RECORD | {"chosen": chosen}))
    assert right_items(tmp_path / "sweep") == {"a.wav": 1.0, "b.wav": 1.0}


@pytest.mark.parametrize("predicted", ["a.wav yes\n", "a.wav yes\na.wav yes\n", "a.wav yes no\nb.wav no\n", ""])
def test_files_that_dont_fit_tell_nothing(tmp_path: Path, predicted: str) -> None:
    write(tmp_path, predicted)
    assert right_items(tmp_path) == {}
    assert right_items(tmp_path / "nowhere") == {}
