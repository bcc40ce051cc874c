"""Purity, PNMI and histograms: against the published definitions, computed another way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.data.alignments import CTM, Alignment, write_ctm
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError
from fairseq_budget.labels.quality import Agreement, Histogram, entropy_bits
from fairseq_budget.labels.report import label_quality
from fairseq_budget.labels.rounds import LabelSettings, make_labels
from tests.unit.labels.conftest import MFCC, SAMPLES

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=60)


@given(PAIRS, st.integers(0, 60))
def test_agreement_is_the_published_one(pairs: list[tuple[int, int]], cut: int) -> None:
    """Hsu et al. 2021, section IV-E: equations 8, 9 and 10, frame by frame."""
    phones, labels = (np.array(column) for column in zip(*pairs, strict=True))
    agreement = Agreement(7)
    for part in (slice(0, cut), slice(cut, None)):  # utterance by utterance
        agreement.add(phones[part], labels[part])
    found = agreement.summary()
    accuracy = [np.bincount(phones[labels == j]).max() for j in set(labels.tolist())]
    counterpart = [np.bincount(labels[phones == i]).max() for i in set(phones.tolist())]
    assert found["phones"] == len(set(phones.tolist()))
    assert found["phone_purity"] == pytest.approx(sum(accuracy) / len(pairs))
    assert found["cluster_purity"] == pytest.approx(sum(counterpart) / len(pairs))
    entropy = mutual_info_score(phones, phones)
    expected = mutual_info_score(phones, labels) / entropy if entropy > 0 else 0.0
    assert found["pnmi"] == pytest.approx(expected, abs=1e-9)


def test_labels_that_are_the_phones_and_labels_that_tell_nothing() -> None:
    phones = np.arange(1_000) % 10
    perfect, useless = Agreement(20), Agreement(20)
    perfect.add(phones, 19 - phones)
    useless.add(phones, np.arange(1_000) // 500)
    assert (perfect.summary()["phone_purity"], perfect.summary()["cluster_purity"]) == (1, 1)
    assert perfect.summary()["pnmi"] == pytest.approx(1)
    assert useless.summary()["phone_purity"] == 0.1
    assert useless.summary()["pnmi"] == pytest.approx(0, abs=1e-12)


def test_frames_without_a_phone_do_not_count() -> None:
    agreement = Agreement(3)
    agreement.add(np.array([-1, 0, -1]), np.array([2, 1, 0]))
    assert agreement.summary() | {"pnmi": None} == {
        "phones": 1,
        "frames": 1,
        "unknown_frames": 2,
        "phone_purity": 1.0,
        "cluster_purity": 1.0,
        "pnmi": None,
        "phone_entropy_bits": 0.0,
        "mutual_information_bits": 0.0,
    }
    assert Agreement(3).summary() == {"phones": 0, "frames": 0, "unknown_frames": 0}


def test_histogram() -> None:
    histogram = Histogram(5)
    rows = [np.array([0, 0, 0, 1]), np.array([], dtype=np.int64), np.array([1, 1, 0, 2])]
    assert list(histogram.counting(rows)) == rows
    assert histogram.counts.tolist() == [4, 3, 1, 0, 0]
    told = histogram.summary(rate=50.0)
    assert told["utterances"] == 3
    assert told["frames"] == 8
    assert told["dead_clusters"] == 2
    assert told["largest_share"] == 0.5
    assert told["perplexity"] == pytest.approx(2 ** told["entropy_bits"])
    # runs: 3, 1, 2, 1, 1
    assert told["mean_run_seconds"] == pytest.approx(8 / 5 / 50)
    assert told["median_run_seconds"] == pytest.approx(1 / 50)
    assert told["longest_run_seconds"] == pytest.approx(3 / 50)


def test_nothing_to_count() -> None:
    assert Histogram(5).summary(50.0)["mean_run_seconds"] == 0
    assert entropy_bits(np.array([7])) == 0
    assert entropy_bits(np.full((2, 4), 3)) == pytest.approx(3)


@pytest.fixture
def labelled(data: Path) -> Path:
    """Labels of 8 clusters, and phones that change where the tones do."""
    make_labels(data, LabelSettings(clusters=8, n_init=2), MFCC)
    alignments = {}
    for number, samples in enumerate(SAMPLES):
        starts = np.arange(4) * -(-samples // 4) / 16_000
        alignments[str(number)] = Alignment([f"{number}{part}" for part in range(4)], starts, samples / 16_000)
    write_ctm(data / f"tones{CTM}", alignments)
    return data


def test_quality_of_a_folder(labelled: Path) -> None:
    found = label_quality(labelled, labelled, ("train", "valid"))
    train = found["train"]
    assert sum(train["histogram"]) == train["frames"]
    # the file of 300 samples has no frame
    assert train["phones"]["phones"] == 20
    assert train["phones"]["unknown_frames"] == 0
    assert train["phones"]["pnmi"] > 0.5, "tones are easy to tell from each other"
    assert train["against"] is None


def test_against_other_labels(labelled: Path, tmp_path: Path) -> None:
    make_labels(labelled, LabelSettings(clusters=3, n_init=2), MFCC, tmp_path / "other")
    same = label_quality(labelled, labelled, ("valid",), against=labelled)["valid"]["against"]
    assert (same["phone_purity"], same["unknown_frames"]) == (1.0, 0)
    assert same["pnmi"] == pytest.approx(1)
    other = label_quality(labelled, labelled, ("valid",), against=tmp_path / "other")["valid"]["against"]
    assert other["phones"] == 3 and 0 < other["pnmi"] < 1


def test_command_tells_and_prints_json(labelled: Path) -> None:
    told = CliRunner().invoke(app, ["labels", "quality", str(labelled), "--against", str(labelled)])
    assert told.exit_code == 0, told.output
    assert "8, 0 of them dead" in told.output and "phone purity" in told.output and "label purity 1.000" in told.output
    found = json.loads(CliRunner().invoke(app, ["labels", "quality", str(labelled), "--json", "--splits", "valid"]).stdout)
    assert list(found) == ["valid"]
    assert found["valid"]["phones"]["frames"] == found["valid"]["frames"]


def test_command_without_phones(data: Path) -> None:
    make_labels(data, LabelSettings(clusters=8, n_init=2), MFCC)
    assert "phones       not known" in CliRunner().invoke(app, ["labels", "quality", str(data)]).output


def test_folders_that_do_not_fit(labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="folder `.*nowhere` does not exist"):
        label_quality(labelled, tmp_path / "nowhere", ("train",))
    Manifest.read(labelled / "valid.tsv").write(labelled / "train.tsv")
    with pytest.raises(BudgetError, match=r"train\.km`: 6 lines for 2 rows of the manifest"):
        label_quality(labelled, labelled, ("train",))
