"""Features of all layers, references at the right times, and what comes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.cli import app
from fairseq_budget.data.label_record import LabelRecord
from fairseq_budget.data.labels import write_dictionary, write_labels
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.diagnostics.ranks import look as looking
from fairseq_budget.diagnostics.ranks.features import EVERY, AllLayers, Middles, choose
from fairseq_budget.diagnostics.ranks.look import LookSettings, look
from fairseq_budget.errors import BudgetError
from fairseq_budget.records.first_look import FirstLookRecord
from tests.common import assert_close

CPU = torch.device("cpu")


@pytest.fixture
def settings(speech: Path) -> LookSettings:
    """Everything that can be known about them."""
    return LookSettings(speech, "valid", utterances=10, seconds=1.0, clusters=6, seed=0, device=CPU)


def test_middles_are_the_middles(speech: Path) -> None:
    source = Manifest.read(speech / "valid.tsv")
    middles = Middles(source, np.array([2, 5]), 10_000)
    assert (middles.read_audio(1) == source.read_audio(5)[7_000:17_000]).all()
    assert (Middles(source, np.array([3]), 24_000).read_audio(0) == source.read_audio(3)).all()
    assert middles.where(0) == source.where(2)


def test_the_middle_of_an_utterance_of_several_pieces(speech: Path) -> None:
    (speech / "joined.tsv").write_text(f"{speech}\n0.flac\t1000\t4000\t1.flac\t0\t6000\n")
    source = Manifest.read(speech / "joined.tsv")
    middle = Middles(source, np.array([0]), 5_000)
    assert (middle.read_audio(0) == source.read_audio(0)[2_500:7_500]).all()
    assert [part.name for part in middle.parts(0)] == ["0.flac", "1.flac"]
    assert [part.name for part in Middles(source, np.array([0]), 1_000).parts(0)] == ["1.flac"]


def test_the_same_utterances_are_drawn_for_a_seed_and_short_ones_never(speech: Path) -> None:
    source = Manifest.read(speech / "valid.tsv")
    drawn = choose(source, 5, 1.0, seed=3)
    assert drawn.indices.tolist() == choose(source, 5, 1.0, seed=3).indices.tolist()
    assert len(set(drawn.indices.tolist())) == 5
    assert choose(source, 99, 1.0, seed=0).indices.tolist() == list(range(11))
    with pytest.raises(BudgetError, match="0 of 12 utterances last 2 s, and ranks need two: lower `--seconds`"):
        choose(source, 5, 2.0, seed=0)


def test_features_are_those_of_every_layer(speech: Path, checkpoints: list[Path]) -> None:
    middles = choose(Manifest.read(speech / "valid.tsv"), 3, 1.0, seed=0)
    for checkpoint in checkpoints:
        features = AllLayers(checkpoint, CPU)
        means, frames = features.of(middles)
        pretrained = load_pretrained(checkpoint)
        wave = pretrained.prepare(torch.from_numpy(middles.read_audio(1)))
        with torch.no_grad():
            states, _ = pretrained.model.extract(wave[None])
        assert means.shape == (3, len(states), 64)
        assert abs(float(wave.std()) - 1) < 0.1 if pretrained.normalize else float(wave.std()) < 0.2
        for layer, state in enumerate(states):
            assert_close(torch.from_numpy(means[1, layer]), state[0].mean(0))
            assert_close(torch.from_numpy(frames[1][:, layer]), state[0, ::EVERY])
    with pytest.raises(BudgetError, match="utterances of 160 samples are too short for a frame: raise `--seconds`"):
        features.of(choose(Manifest.read(speech / "valid.tsv"), 3, 0.01, seed=0))


def test_phones_are_those_of_the_frames_times(speech: Path) -> None:
    """The middle second begins a quarter of a second into the first tone."""
    middles = choose(Manifest.read(speech / "valid.tsv"), 11, 1.0, seed=0)
    codes = looking._phones(middles, None)(0, np.array([0.0, 0.24, 0.26, 0.74, 0.76, 0.99]))
    assert codes.tolist() == [0, 0, 1, 1, 2, 2]


def write_hubert_labels(folder: Path, utterances: int, frames: int) -> None:
    """100 labels a second; label k lasts the k-th tenth of a second."""
    folder.mkdir()
    write_labels(folder / "valid.km", [np.arange(frames) // 10] * utterances)
    write_dictionary(folder / "dict.km.txt", 15)
    content = {"label_rate": 100.0, "round": 1, "fit_split": "train", "splits": {"valid": {}}}
    LabelRecord(folder / "labels.json", content).write()


def test_labels_are_those_of_the_frames_times(speech: Path, tmp_path: Path) -> None:
    source = Manifest.read(speech / "valid.tsv").subset(range(11))
    write_hubert_labels(tmp_path / "labels", 11, 148)
    middles = choose(source, 11, 1.0, seed=0)
    codes = looking._labels(tmp_path / "labels", "valid", source, middles)(0, np.array([0.0, 0.06, 0.99, 1.24]))
    assert codes.tolist() == [2, 3, 12, -1]


def test_a_look(settings: LookSettings, checkpoints: list[Path], tmp_path: Path) -> None:
    first, _, third = look(checkpoints, settings)
    assert (first.upstream, first.width, first.utterances, first.frames) == ("hubert 2 layers x 64", 64, 10, 10 * 13)
    assert [len(one.layers) for one in (first, third)] == [3, 5]
    for layer in first.layers:
        assert 1 < layer["rank_utterances"] <= 10
        assert layer["rank_utterances"] < layer["rank_frames"] <= 64
        assert 0.4 < layer["phones_pnmi"] <= 1  # tones are easy, even for untrained convolutions
        assert layer["labels_pnmi"] is None
    assert first.summary("last", "rank_frames") == first.layers[-1]["rank_frames"]
    assert first.summary("mean", "rank_frames") == pytest.approx(np.mean([layer["rank_frames"] for layer in first.layers]))
    assert first.summary("mean", "labels_pnmi") is None
    with pytest.raises(BudgetError, match="folder `.*nothing` does not exist: name the folder of the label files"):
        look(checkpoints, replace(settings, labels=tmp_path / "nothing"))


def test_without_phones_there_are_ranks_only(settings: LookSettings, checkpoints: list[Path], tmp_path: Path) -> None:
    (tmp_path / "other.ctm").write_text("somebody 1 0 1 a\n")
    [found] = look(checkpoints[:1], replace(settings, phones=tmp_path / "other.ctm"))
    assert {name for name, value in found.layers[0].items() if value is not None} == {"rank_utterances", "rank_frames"}


def test_the_command(speech: Path, checkpoints: list[Path], tmp_path: Path) -> None:
    arguments = ["ranks", *map(str, checkpoints[:2]), "--data", str(speech), "--seconds", "1", "--clusters", "6"]
    printed = CliRunner().invoke(app, [*arguments, "--json", "--out", str(tmp_path)])
    found = json.loads(printed.stdout)
    assert [len(one["layers"]) for one in found["checkpoints"]] == [3, 4]
    assert found["correlations"] is None
    record = FirstLookRecord.read(tmp_path / "record.json")
    assert [one.model_dump() for one in record.results] == found["checkpoints"]
    table = CliRunner().invoke(app, arguments).stdout
    assert "PNMI, phones" in table
    assert "11 utterances and 143 frames of width 64: ranks are at most 11 and 64" in table
    refused = CliRunner().invoke(app, [*arguments, "--utterances", "1"])
    assert "`--utterances` and `--clusters` must be at least 2, but are 1 and 6" in str(refused.exception)
