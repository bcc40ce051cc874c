"""Making HuBERT's labels: the reference procedure's numbers, streaming, records and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pytest
import soundfile
import torch
from rich.console import Console
from sklearn.cluster import MiniBatchKMeans
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.data.audio import read
from fairseq_budget.data.labels import DICTIONARY_NAME, LabelFile
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.modules.mfcc import KaldiMFCC
from fairseq_budget.tools import features as feature_stream
from fairseq_budget.tools.features import MFCC39, stream
from fairseq_budget.tools.labels import MODEL_NAME, LabelSettings, existing, make_labels

SETTINGS = LabelSettings(clusters=8, n_init=2)
SAMPLES = (9_000, 300, 16_000, 4_321, 12_345, 8_000)


def tones(samples: int, seed: int) -> np.ndarray:
    """Four tones one after the other over a little noise."""
    generator = np.random.default_rng(seed)
    hertz = generator.uniform(150, 3_000, size=4).repeat(-(-samples // 4))[:samples]
    return 0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / 16_000) + 0.01 * generator.standard_normal(samples)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """train.tsv with six files of different lengths, one shorter than a frame; valid.tsv with two."""
    names = []
    for number, samples in enumerate(SAMPLES):
        names.append(f"{number}.flac")
        soundfile.write(tmp_path / names[-1], tones(samples, number), 16_000)
    frames = np.array(SAMPLES)
    Manifest(tmp_path, names, frames).write(tmp_path / "train.tsv")
    Manifest(tmp_path, names[3:5], frames[3:5]).write(tmp_path / "valid.tsv")
    return tmp_path


def made_files(folder: Path) -> dict[str, bytes]:
    names = ("train.km", "valid.km", DICTIONARY_NAME, MODEL_NAME, "labels.json")
    return {name: (folder / name).read_bytes() for name in names}


def alone(path: Path) -> np.ndarray:
    return KaldiMFCC().mfcc39(torch.from_numpy(read(path))[None])[0].numpy()


def test_stream_equals_one_by_one_in_any_order(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_stream, "POOL_UTTERANCES", 4)
    monkeypatch.setattr(feature_stream, "BATCH_SAMPLES", 20_000)
    manifest, order = Manifest.read(data / "train.tsv"), [5, 0, 2, 1, 4, 3]
    for index, streamed in zip(order, stream(manifest, order, MFCC39()), strict=True):
        expected = alone(manifest.audio_path(index))
        assert streamed.shape == expected.shape
        np.testing.assert_allclose(streamed, expected, atol=1e-3)


def test_stream_refuses_audio_of_another_length(data: Path) -> None:
    soundfile.write(data / "2.flac", tones(15_999, 2), 16_000)
    with pytest.raises(BudgetError, match=r"2\.flac` has 15999 samples at 16 kHz, its manifest says 16000"):
        list(stream(Manifest.read(data / "train.tsv"), range(6), MFCC39()))


@pytest.mark.parametrize("percent", [100.0, 50.0])
def test_same_centres_as_the_reference_procedure(data: Path, percent: float) -> None:
    """What fairseq's learn_kmeans does for one shard: global seed, choice of utterances, then MiniBatchKMeans."""
    manifest = Manifest.read(data / "train.tsv")
    np.random.seed(3)
    chosen = np.arange(6) if percent == 100 else np.random.choice(6, 3, replace=False)
    rows = np.concatenate([alone(manifest.audio_path(i)) for i in chosen])
    reference = MiniBatchKMeans(
        8, batch_size=10_000, compute_labels=False, tol=0.0, max_no_improvement=100, n_init=2, reassignment_ratio=0.0
    ).fit(rows)
    make_labels(data, LabelSettings(clusters=8, n_init=2, seed=3, percent=percent), MFCC39())
    made = joblib.load(data / MODEL_NAME)
    np.testing.assert_allclose(made.cluster_centers_, reference.cluster_centers_, atol=1e-2)


def test_labels_name_the_nearest_centre(data: Path) -> None:
    record = make_labels(data, SETTINGS, MFCC39())
    model = joblib.load(data / MODEL_NAME)
    counts = np.zeros(8, dtype=np.int64)
    for split in ("train", "valid"):
        manifest, labels = Manifest.read(data / f"{split}.tsv"), LabelFile(data / f"{split}.km", 8)
        labels.check(manifest.frames.tolist(), record["label_rate"])
        for index in range(len(manifest)):
            frames = alone(manifest.audio_path(index))
            expected = model.predict(frames) if len(frames) else np.empty(0)
            # Streaming changes a feature's last bits, so a frame between two centres may fall to either.
            assert len(labels[index]) == len(expected)
            assert (labels[index] != expected).sum() <= 1
            if split == "train":
                counts += np.bincount(labels[index], minlength=8)
    assert record["splits"]["train"] == {
        "utterances": 6,
        "frames": int(counts.sum()),
        "dead_clusters": int((counts == 0).sum()),
    }


def test_same_seed_same_files(data: Path) -> None:
    make_labels(data, SETTINGS, MFCC39())
    first = made_files(data)
    make_labels(data, SETTINGS, MFCC39())
    assert made_files(data) == first
    make_labels(data, LabelSettings(clusters=8, n_init=2, seed=1), MFCC39())
    assert made_files(data)["train.km"] != first["train.km"]


def test_only_the_first_split_is_fitted(data: Path) -> None:
    before = make_labels(data, SETTINGS, MFCC39())
    soundfile.write(data / "other.flac", tones(5_000, 99), 16_000)
    Manifest(data, ["other.flac"], np.array([5_000])).write(data / "valid.tsv")
    after = make_labels(data, SETTINGS, MFCC39())
    assert after["kmeans"] == before["kmeans"]
    assert after["manifests"] != before["manifests"]


def test_a_second_run_does_nothing(data: Path) -> None:
    assert existing(data, SETTINGS, MFCC39()) is None
    record = make_labels(data, SETTINGS, MFCC39())
    assert existing(data, SETTINGS, MFCC39()) == record
    assert existing(data, LabelSettings(clusters=9, n_init=2), MFCC39()) is None
    (data / "valid.km").unlink()
    assert existing(data, SETTINGS, MFCC39()) is None


def test_an_interrupted_run_is_made_again(data: Path) -> None:
    soundfile.write(data / "4.flac", tones(10, 4), 16_000)
    Manifest(data, ["4.flac"], np.array([12_345])).write(data / "valid.tsv")
    Manifest(data, ["0.flac"], np.array([9_000])).write(data / "train.tsv")
    with pytest.raises(BudgetError, match=r"4\.flac"):
        make_labels(data, SETTINGS, MFCC39())
    assert (data / "train.km").exists() and not (data / "valid.km").exists()
    assert existing(data, SETTINGS, MFCC39()) is None


def test_keeps_labels_of_another_origin(data: Path) -> None:
    (data / "valid.km").write_text("1 2 3\n")
    with pytest.raises(BudgetError, match=r"valid\.km` was not made here"):
        existing(data, SETTINGS, MFCC39())


def test_refuses_to_outdate_a_split_that_is_not_named(data: Path) -> None:
    make_labels(data, SETTINGS, MFCC39())
    with pytest.raises(BudgetError, match="also counts the split valid"):
        existing(data, LabelSettings(splits=("train",), clusters=9), MFCC39())


def test_refuses_a_broken_record(data: Path) -> None:
    (data / "labels.json").write_text("{}")
    with pytest.raises(BudgetError, match="not a record of labels"):
        existing(data, SETTINGS, MFCC39())


def test_fewer_frames_than_clusters(data: Path) -> None:
    with pytest.raises(BudgetError, match="frames of training audio cannot make 5000 clusters"):
        make_labels(data, LabelSettings(clusters=5_000), MFCC39())


def test_more_features_than_memory_allows(data: Path) -> None:
    with pytest.raises(BudgetError, match=r"GiB, `--max-gib` allows 1e-05: lower `--percent` to \d"):
        make_labels(data, LabelSettings(clusters=8, max_gib=1e-5), MFCC39())


def test_all_bad_settings_are_named_at_once() -> None:
    bad = LabelSettings(splits=("a", "a"), clusters=1, percent=0.0, seed=-1, n_init=0, max_gib=0.0)
    with pytest.raises(ConfigError, match="`splits`.*`clusters`.*`percent`.*`seed`.*`n_init`.*`max_gib`"):
        bad.validate()


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"manifest `.*train\.tsv"):
        make_labels(tmp_path, SETTINGS, MFCC39())


def test_command(data: Path) -> None:
    command = ["labels", str(data), "--clusters", "8", "--n-init", "2"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "8 clusters of mfcc39 at 100 Hz" in first.output
    record = json.loads((data / "labels.json").read_text())
    assert record["label_rate"] == 100 and record["splits"]["valid"]["utterances"] == 2
    files = made_files(data)
    second = CliRunner().invoke(app, command)
    assert "nothing to do" in second.output
    assert made_files(data) == files


def test_no_progress_bar_where_nobody_looks(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not Console(stderr=True).is_terminal
    make_labels(data, SETTINGS, MFCC39())
    assert capsys.readouterr().err == ""
