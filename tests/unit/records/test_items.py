"""What test items add to a score, from files that s3prl left."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, pstdev

import numpy as np
import pytest

from fairseq_budget.records.items import item_scores

RECORD = {"kind": "downstream", "task": "ks", "upstream": "fbank", "objective": "fbank"}


def write(folder: Path, predicted: str, truth: str = "a.wav yes\nb.wav no\n", fold: str = "", suffix: str = "txt") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"test{fold}_predict.{suffix}").write_text(predicted)
    (folder / f"test{fold}_truth.{suffix}").write_text(truth)


def record(folder: Path, chosen: bool) -> None:
    (folder / "record.json").write_text(json.dumps(RECORD | {"chosen": chosen}))


def test_of_a_run_and_of_a_sweeps_chosen_trial(tmp_path: Path) -> None:
    write(tmp_path / "run", "b.wav yes\na.wav yes\n")
    assert item_scores(tmp_path / "run", "acc") == {"a.wav": 1.0, "b.wav": 0.0}
    for name, chosen, predicted in (("lr_0.1", False, "a.wav no\nb.wav yes\n"), ("lr_1", True, "a.wav yes\nb.wav no\n")):
        write(tmp_path / "sweep" / name, predicted)
        record(tmp_path / "sweep" / name, chosen)
    assert item_scores(tmp_path / "sweep", "acc") == {"a.wav": 1.0, "b.wav": 1.0}


def test_all_slots_of_an_intent_are_one_label(tmp_path: Path) -> None:
    truth = "a.wav,activate,lights,living room\nb.wav,bring,shoes,none\n"
    write(tmp_path, truth.replace("living room", "kitchen"), truth, suffix="csv")
    assert item_scores(tmp_path, "acc") == {"a.wav": 0.0, "b.wav": 1.0}


def test_folds_count_alike(tmp_path: Path) -> None:
    """One of three items, all right, and one of two, of which one is."""
    for fold, predicted, truth in ((1, "a x\nb x\nc x\n", "a x\nb x\nc x\n"), (2, "d y\ne x\n", "d y\ne y\n")):
        for name, chosen in (("lr_0.1", True), ("lr_1", False)):
            folder = tmp_path / f"fold{fold}" / name
            write(folder, predicted if chosen else "a z\n", truth, f"_fold{fold}")
            record(folder, chosen)
    found = item_scores(tmp_path, "acc")
    assert sorted(found) == list("abcde")
    assert fmean(found.values()) == pytest.approx((1 + 0.5) / 2)


def test_parts_of_an_error_rate(tmp_path: Path) -> None:
    """Their mean is the rate, and their deviation that of rates of items drawn again and again."""
    draw = np.random.default_rng(0)
    words = [draw.choice(list("abc"), size=draw.integers(5, 40)).tolist() for _ in range(80)]
    heard = [
        ["x" if draw.random() < 0.3 else word for word in own][: len(own) - number % 3] for number, own in enumerate(words)
    ]
    for what, texts in (("ref", words), ("hyp", heard)):
        (tmp_path / f"test-{what}.ark").write_text("".join(f"u{i} {' '.join(own)}\n" for i, own in enumerate(texts)))
    found = item_scores(tmp_path, "per")
    lengths = np.array(list(map(len, words)))
    errors = np.array(
        [sum(a != b for a, b in zip(h, w, strict=False)) + len(w) - len(h) for h, w in zip(heard, words, strict=True)]
    )
    assert fmean(found.values()) == pytest.approx(errors.sum() / lengths.sum())
    drawn = draw.integers(80, size=(4000, 80))
    rates = errors[drawn].sum(axis=1) / lengths[drawn].sum(axis=1)
    assert pstdev(found.values()) / 80**0.5 == pytest.approx(rates.std(), rel=0.05)


@pytest.mark.parametrize("predicted", ["a.wav yes\n", "a.wav yes\na.wav yes\n", " yes\nb.wav no\n", ""])
def test_files_that_dont_fit_tell_nothing(tmp_path: Path, predicted: str) -> None:
    write(tmp_path, predicted)
    assert item_scores(tmp_path, "acc") == {}
    assert item_scores(tmp_path / "nowhere", "acc") == {}
    assert item_scores(tmp_path, "per") == item_scores(tmp_path, "eer") == {}
