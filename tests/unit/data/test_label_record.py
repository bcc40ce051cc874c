"""labels.json: what it tells, and which label files it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.data.label_record import LabelRecord, read_label_rate, read_record
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError


def record(folder: Path, **content: object) -> LabelRecord:
    split = {"codebook": "abc", "text_sha256": "123", "forward_flops": 5}
    whole = {
        "label_rate": 50.0,
        "clusters": 500,
        "fit_split": "train",
        "kmeans": {"centres_sha256": "abc", "forward_flops": 2},
        "splits": {"train": split, "valid": split},
    }
    (folder / "labels.json").write_text(json.dumps({**whole, **content}))
    found = read_record(folder)
    assert found is not None
    return found


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = record(tmp_path, round=2, rounds=[{"round": 1}])
    made.write()
    found = read_record(tmp_path)
    assert found == made
    assert found is not None and found.identity() == {"codebook": "abc", "label_rate": 50.0, "clusters": 500}
    assert (found.round, found.rounds, found.forward_flops) == (2, [{"round": 1}], 12)
    assert read_label_rate(tmp_path) == 50


def test_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    with pytest.raises(BudgetError, match=r"labels\.json` is missing, which tells the label rate.* set `task.label_rate`"):
        read_label_rate(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"label_rate": "fast", "fit_split": "train"}', '"a"'])
def test_something_else_of_that_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(BudgetError, match=r"labels\.json` is not a record of labels .*: delete it"):
        read_record(tmp_path)


@pytest.fixture
def listed(tmp_path: Path) -> Manifest:
    Manifest(tmp_path, ["a.flac", "b.flac"], np.array([16_000, 16_000])).write(tmp_path / "valid.tsv")
    return Manifest.read(tmp_path / "valid.tsv")


def test_the_files_that_were_made_are_accepted(tmp_path: Path, listed: Manifest) -> None:
    record(tmp_path).check_split("valid", "123", listed)
    # those of version 0.1 tell neither codebook nor hash
    record(tmp_path, splits={"train": {}}).check_split("train", "456", listed)


def test_labels_of_other_utterances_are_refused(tmp_path: Path, listed: Manifest) -> None:
    """Equal lengths, another order: half the rows would have another recording's labels."""
    made = record(tmp_path)
    made.content["splits"]["valid"] |= {"manifest_rows": listed.digest}
    made.check_split("valid", "123", listed)
    Manifest(tmp_path, ["b.flac", "a.flac"], np.array([16_000, 16_000])).write(tmp_path / "valid.tsv")
    with pytest.raises(BudgetError, match=f"were made for other utterances, .* than those in `{tmp_path}/valid.tsv`: make"):
        made.check_split("valid", "123", Manifest.read(tmp_path / "valid.tsv"))


@pytest.mark.parametrize(
    ("split", "sha256", "told", "message"),
    [
        ("test", "123", {}, "tells of train, valid, but not of `test`: make the labels again"),
        ("valid", "456", {}, "the labels of `valid` beside .* were changed or replaced since they were made"),
        ("valid", "123", {"codebook": "xyz"}, "the labels of `valid` come from another codebook than those of `train`"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, listed: Manifest, split: str, sha256: str, told: dict, message: str
) -> None:
    made = record(tmp_path)
    made.content["splits"]["valid"] |= told
    with pytest.raises(BudgetError, match=message):
        made.check_split(split, sha256, listed)
