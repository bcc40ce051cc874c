"""The labels of a run: one codebook, one rate, and what earlier rounds spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.data.label_record import read_record
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.labels.features import MFCC39
from fairseq_budget.labels.rounds import LabelSettings, make_labels
from fairseq_budget.plugin.run.labels import RunLabels
from fairseq_budget.sealed import sealed

MFCC = MFCC39(torch.device("cpu"))


def labelled(folder: Path, seed: int = 0) -> Path:
    """A folder with a second of noise for each split, and labels."""
    folder.mkdir()
    noise = np.random.default_rng(0).standard_normal(16_000) / 10
    for split in ("train", "valid"):
        soundfile.write(folder / f"{split}.wav", noise, 16_000)
        Manifest(folder, [f"{split}.wav"], np.array([16_000])).write(folder / f"{split}.tsv")
    make_labels(folder, LabelSettings(clusters=5, n_init=1, seed=seed), MFCC)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return labelled(tmp_path / "data")


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "labels.json"
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | changes)))


def manifest(folder: Path, split: str) -> Manifest:
    return Manifest.read(folder / f"{split}.tsv")


def test_labels_and_what_the_checkpoint_keeps_of_them(folder: Path) -> None:
    labels = RunLabels(folder, "km", None)
    assert (labels.rate, labels.clusters) == (100, 5)
    assert [len(labels.open(manifest(folder, split), split)) for split in ("train", "valid")] == [1, 1]
    record = read_record(folder)
    assert record is not None
    assert labels.state() == {**record.identity(), "round": 1, "rounds": [], "labelling_flops": 0}


def test_a_split_from_another_codebook_is_refused(folder: Path, tmp_path: Path) -> None:
    other = labelled(tmp_path / "other", seed=1)
    (folder / "valid.km").write_bytes((other / "valid.km").read_bytes())
    labels = RunLabels(folder, "km", None)
    labels.open(manifest(folder, "train"), "train")
    with pytest.raises(BudgetError, match="the labels of `valid` .* were changed or replaced since they were made"):
        labels.open(manifest(folder, "valid"), "valid")
    told = json.loads((folder / "labels.json").read_text())["splits"]
    edit(folder, splits={**told, "valid": json.loads((other / "labels.json").read_text())["splits"]["valid"]})
    with pytest.raises(BudgetError, match="the labels of `valid` come from another codebook than those of `train`"):
        RunLabels(folder, "km", None).open(manifest(folder, "valid"), "valid")


def test_labels_without_a_record_need_a_rate(folder: Path) -> None:
    (folder / "labels.json").unlink()
    with pytest.raises(BudgetError, match="is missing, which tells the label rate"):
        RunLabels(folder, "km", None)
    labels = RunLabels(folder, "km", 100.0)
    labels.open(manifest(folder, "valid"), "valid")
    assert labels.state() == {"codebook": None, "label_rate": 100.0, "clusters": 5}
    assert labels.entries(Ledger()) == {"labels": labels.state()}


def test_another_rate_than_the_records_is_refused(folder: Path) -> None:
    assert RunLabels(folder, "km", 100.0).rate == 100
    with pytest.raises(BudgetError, match=r"`task\.label_rate` is 50, but `.*labels\.json` tells 100: leave it out"):
        RunLabels(folder, "km", 50.0)


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ({"codebook": "f" * 64}, "codebook ffffffff there, codebook"),
        ({"label_rate": 50.0}, "50 Hz there, 100 Hz here"),
        ({"clusters": 500}, "500 clusters there, 5 clusters here"),
    ],
)
def test_a_checkpoint_of_other_labels_is_not_continued(
    folder: Path, tmp_path: Path, before: dict[str, Any], message: str
) -> None:
    labels, checkpoint = RunLabels(folder, "km", None), tmp_path / "checkpoint_last.pt"
    for known in ({}, labels.state(), {**labels.state(), "codebook": None}):
        torch.save({"task_state": {"labels": known}}, checkpoint)
        labels.refuse_to_continue(checkpoint)
    torch.save({"task_state": {"labels": {**labels.state(), **before}}}, checkpoint)
    with pytest.raises(BudgetError, match=f"was trained on other labels than those in .*{message}.* name its labels as"):
        labels.refuse_to_continue(checkpoint)


def test_checkpoints_that_say_nothing_are_continued(folder: Path, tmp_path: Path) -> None:
    for state in ({}, {"task_state": {}}, {"task_state": {"ledger": {}}}):
        torch.save(state, tmp_path / "checkpoint_last.pt")
        RunLabels(folder, "km", None).refuse_to_continue(tmp_path / "checkpoint_last.pt")


def test_all_rounds_are_counted(folder: Path) -> None:
    first = Ledger(flops=10, samples=16_000 * 3600, updates=5, device_seconds=3600.0).state_dict()
    rounds = [{"round": 1, "spent": first, "labelling_flops": 2}]
    edit(
        folder,
        round=2,
        rounds=rounds,
        kmeans={**json.loads((folder / "labels.json").read_text())["kmeans"], "forward_flops": 7},
    )
    entries = RunLabels(folder, "km", None).entries(
        Ledger(flops=30, samples=16_000 * 1800, updates=8, device_seconds=1800.0)
    )
    assert entries["labels"]["round"] == 2
    assert entries["rounds"] == rounds
    assert entries["labelling_flops"] == 9
    total = entries["all_rounds"]
    assert {name: total[name] for name in ("flops", "updates", "hours_heard", "device_hours")} == {
        "flops": 40,
        "updates": 13,
        "hours_heard": 1.5,
        "device_hours": 1.5,
    }
    edit(folder, rounds=[{"round": 1, "spent": None, "labelling_flops": 0}])
    assert RunLabels(folder, "km", None).entries(Ledger(flops=30))["all_rounds"] is None
