"""HuBERT's two rounds as commands: labels from the first model, its budget counted, and no mixing of labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.integration.conftest import Training, check, run

pytestmark = pytest.mark.integration

ROUND_1, ROUND_2 = ("task.budget.flops=5e8",), ("task.budget.flops=7e8",)


@pytest.fixture(scope="module")
def first(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """The first round, trained on labels of MFCC."""
    training = Training(corpus / "data", tmp_path_factory.mktemp("rounds") / "first", "hubert")
    check(training.run(*ROUND_1))
    return training


@pytest.fixture(scope="module")
def labels(corpus: Path, first: Training) -> Path:
    """Labels of the first model's middle layer, in a folder of their own."""
    folder = first.folder.parent / "labels"
    command = ["fairseq-budget", "labels", "data", "--checkpoint", str(first.checkpoint), "--label-dir", str(folder)]
    check(run([*command, "--clusters", "30", "--percent", "50", "--n-init", "2"], corpus))
    return folder


def test_the_second_round_counts_the_first(corpus: Path, first: Training, labels: Path) -> None:
    told = json.loads((labels / "labels.json").read_text())
    assert (told["round"], told["label_rate"], told["feature"]) == (2, 50, "hubert layer 1 of 2")
    second = Training(corpus / "data", first.folder.parent / "second", "hubert")
    check(second.run(*ROUND_2, f"task.label_dir={labels}"))
    record, before = second.record, first.record
    [round_1] = record["rounds"]
    assert round_1["spent"]["flops"] == before["spent"]["flops"]
    for name in ("flops", "updates", "hours_heard"):
        assert record["all_rounds"][name] == pytest.approx(before["spent"][name] + record["spent"][name])
    assert record["labelling_flops"] == told["kmeans"]["forward_flops"] + sum(
        split["forward_flops"] for split in told["splits"].values()
    )
    assert record["labels"]["codebook"] == told["kmeans"]["centres_sha256"] != before["labels"]["codebook"]
    state = torch.load(second.checkpoint)
    assert state["task_state"]["labels"]["rounds"] == record["rounds"]
    assert state["model"]["label_embs_concat"].size(0) == 30 + 4


def test_a_run_is_not_continued_with_other_labels(first: Training, labels: Path) -> None:
    result = first.run("task.budget.flops=9e8", f"task.label_dir={labels}")
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert "was trained on other labels than those in" in result.stderr


def test_edited_labels_are_not_trained_on(corpus: Path, labels: Path, tmp_path: Path) -> None:
    text = (labels / "valid.km").read_text()
    try:
        (labels / "valid.km").write_text(text.replace("1", "2"))
        result = Training(corpus / "data", tmp_path / "run", "hubert").run(*ROUND_2, f"task.label_dir={labels}")
    finally:
        (labels / "valid.km").write_text(text)
    assert result.returncode != 0
    assert "the labels of `valid` beside" in result.stderr


def test_labels_know_the_phones_of_the_synthetic_corpus(corpus: Path, labels: Path) -> None:
    """Every frame has a phone, and both rounds' labels tell something about it."""
    command = ["fairseq-budget", "labels", "quality", "data", "--json", "--label-dir"]
    for folder in (labels, corpus / "data"):
        found = json.loads(check(run([*command, str(folder)], corpus)).stdout)
        for split in found.values():
            assert split["phones"]["unknown_frames"] == 0
            assert split["phones"]["pnmi"] > 0.1
