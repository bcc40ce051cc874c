"""Audio that cannot be read: named, counted, skipped, and too much of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from fairseq_budget.data.labels import LabelFile
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import ConfigError
from fairseq_budget.objectives import get_objective
from fairseq_budget.plugin.dataset import PretrainingDataset
from fairseq_budget.plugin.objectives import MODELS
from fairseq_budget.plugin.run.bad_audio import BadAudio, StopRun
from tests.common import tiny_config

LENGTH = 24_000


def batch(good: int, *bad: int) -> dict[str, Any]:
    made: dict[str, Any] = {"id": np.arange(good) if good else np.array(bad[:1])}
    if bad:
        made["bad_audio"] = [(index, f"no {index}") for index in bad]
    return made if good else {**made, "stand_in": True}


def collect(tally: BadAudio, *others: BadAudio) -> None:
    """As several workers do it together."""
    workers = (tally, *others)
    summed = [sum(counts) for counts in zip(*(worker.counts for worker in workers), strict=True)]
    news = [list(worker._new) for worker in workers]
    for worker in workers:
        worker.collect(summed, lambda own: news)


def test_another_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown task.on_bad_audio `ignore`: choose one of error, skip"):
        BadAudio("ignore")


def test_an_error_names_the_file() -> None:
    tally = BadAudio("error")
    tally.note("train", batch(3))
    with pytest.raises(StopRun, match="no 7; `task.on_bad_audio=skip` would go on without it"):
        tally.note("train", batch(2, 7))
    assert issubclass(StopRun, RuntimeError), "or else fairseq writes crash.pt"


def test_skipped_utterances_are_counted_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    tally = BadAudio("skip")
    with caplog.at_level(logging.WARNING):
        for made in (batch(3, 7), batch(4), batch(0, 8, 9), batch(2, 7)):
            tally.note("train", made)
            collect(tally)
        tally.note("valid", batch(5, 7))
        collect(tally)
    assert (tally.read, tally.skipped) == ({"train": 13, "valid": 6}, {"train": 4, "valid": 1})
    assert sorted(record.getMessage() for record in caplog.records) == [
        "skipped: no 7",
        "skipped: no 7",
        "skipped: no 8",
        "skipped: no 9",
    ], "once for each split"
    assert tally.record()["train"] == {"read": 13, "skipped": 4, "share": 4 / 13}


def test_workers_count_together() -> None:
    """Both know all of it, so that both stop at the same update."""
    tally, other = BadAudio("skip"), BadAudio("skip")
    for turn in range(30):
        tally.note("train", batch(20))
        other.note("train", batch(13, *range(7)) if turn in (3, 4) else batch(20))
        collect(tally, other)
        assert tally.read == other.read
        assert tally.skipped == other.skipped
        assert bool(tally.too_many) == bool(other.too_many) == (turn >= 24), "14 of 1000 are judged, 14 of 960 are not yet"
    assert tally.too_many is not None
    assert tally.too_many.startswith("14 of the 1200 utterances read for `train` were skipped as bad audio, more than 1%")


@pytest.mark.parametrize(
    ("read", "skipped", "stops"),
    [(99, 99, False), (100, 10, False), (100, 11, True), (999, 99, False), (1000, 10, False), (1000, 11, True)],
)
def test_how_many_are_too_many(read: int, skipped: int, stops: bool) -> None:
    """Up to a tenth of the first 100, up to a hundredth from 1000 on."""
    tally = BadAudio("skip")
    tally.note("valid", batch(read - skipped, *range(skipped)))
    collect(tally)
    assert (f"{skipped} of the {read} utterances read for `valid`" in (tally.too_many or "")) == stops


def test_an_earlier_start_counts_for_the_record_alone() -> None:
    before = BadAudio("skip")
    before.note("train", batch(90, *range(10)))
    collect(before)
    tally = BadAudio("skip")
    tally.load_state_dict(before.state_dict())
    tally.note("train", batch(100))
    collect(tally)
    assert tally.too_many is None, "the files may have been mended"
    assert tally.record() == {"train": {"read": 200, "skipped": 10, "share": 0.05}}


@pytest.fixture
def dataset(tmp_path: Path) -> PretrainingDataset:
    """Four utterances, of which 1 and 3 cannot be read, with labels."""
    for index in range(4):
        wave = np.random.default_rng(index).standard_normal(LENGTH) / 10
        soundfile.write(tmp_path / f"{index}.wav", wave, 16_000)
    (tmp_path / "1.wav").write_text("not audio")
    (tmp_path / "3.wav").unlink()
    (tmp_path / "train.km").write_text(4 * (" ".join(["1", "2"] * 74) + "\n"))
    manifest = Manifest(tmp_path, [f"{index}.wav" for index in range(4)], np.full(4, LENGTH))
    labels = LabelFile(tmp_path / "train.km", 20)
    return PretrainingDataset(manifest, 250_000, 1_000, False, 1, labels, 100.0)


def test_bad_audio_travels_in_the_batch(dataset: PretrainingDataset) -> None:
    made = dataset.collater([dataset[index] for index in (0, 1, 2, 3)])
    assert made["id"].tolist() == [0, 2]
    assert made["net_input"]["source"].shape == (2, LENGTH)
    assert len(made["net_input"]["target"]) == 2
    assert [index for index, _ in made["bad_audio"]] == [1, 3]
    assert "1.wav` cannot be read as audio" in made["bad_audio"][0][1]
    assert "3.wav` does not exist" in made["bad_audio"][1][1]
    assert "stand_in" not in made
    assert "bad_audio" not in dataset.collater([dataset[0]])


@pytest.mark.parametrize("objective", MODELS)
def test_a_batch_of_nothing_but_bad_audio_can_be_computed(dataset: PretrainingDataset, objective: str) -> None:
    made = dataset.collater([dataset[index] for index in (3, 1)])
    assert made["stand_in"]
    assert made["net_input"]["source"].shape == (1, LENGTH)
    if not get_objective(objective).needs_labels:
        del made["net_input"]["target"]
    torch.manual_seed(0)
    loss = MODELS[objective](tiny_config(objective))(**made["net_input"])
    loss.total.backward()
    assert torch.isfinite(loss.total)
