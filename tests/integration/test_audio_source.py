"""Runs on audio that is broken, and on audio that is re-cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from fairseq_budget.checkpoints.safe_load import safe_load
from fairseq_budget.data.manifest import Manifest
from tests.integration.conftest import Training, check, run

pytestmark = pytest.mark.integration


def updates(count: int) -> tuple[str, ...]:
    return ("task.budget.flops=null", f"task.budget.updates={count}")


@pytest.fixture
def speech(corpus: Path, tmp_path: Path) -> Path:
    """The corpus's audio, to break."""
    return Path(shutil.copytree(corpus / "librispeech", tmp_path / "speech"))


@pytest.fixture
def training(speech: Path, tmp_path: Path) -> Training:
    folders = (str(speech / "train-clean"), "--valid-root", str(speech / "dev-clean"))
    check(run(["fairseq-budget", "manifest", *folders, "--out", "data"], tmp_path))
    return Training(tmp_path / "data", tmp_path / "run", "tera")


def break_utterance(training: Training, index: int) -> Path:
    path = Manifest.read(training.data / "train.tsv").audio_path(index)
    path.write_text("not audio")
    return path


def test_broken_audio_is_named_in_one_line(training: Training) -> None:
    path = break_utterance(training, 0)
    result = training.run(*updates(100))
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert f"{Manifest.read(training.data / 'train.tsv').where(0)}: `{path}` cannot be read as audio" in result.stderr
    assert not list((training.folder / "checkpoints").glob("crash.pt"))


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_broken_audio_is_skipped_named_and_counted(training: Training, workers: int) -> None:
    """One utterance a batch: for those that cannot be read, noise stands in, which counts for nothing."""
    count = len(Manifest.read(training.data / "train.tsv"))
    path, turns = break_utterance(training, 0), 2 * (count // workers)
    options = (*updates(turns), "task.on_bad_audio=skip", "dataset.max_tokens=16000")
    if workers > 1:
        result = check(training.torchrun(workers, *options, "device=cpu_torchrun"))
    else:
        result = check(training.run(*options))
    assert (result.stdout + result.stderr).count(f"`{path}` cannot be read") == 1, "once, however often it was skipped"
    read = training.record["data"]["bad_audio"]["train"]
    assert read["read"] == turns * workers
    assert read["skipped"] >= 1
    assert read["share"] == read["skipped"] / read["read"]
    assert training.record["spent"]["samples"] == (read["read"] - read["skipped"]) * 16_000
    assert training.record["data"]["bad_audio"]["valid"]["skipped"] == 0


def test_too_much_broken_audio_ends_the_run_after_a_checkpoint(training: Training) -> None:
    manifest = Manifest.read(training.data / "train.tsv")
    audio = {path: path.read_bytes() for path in map(manifest.audio_path, range(0, len(manifest), 3))}
    for path in audio:
        path.write_text("not audio")
    options = (*updates(80), "task.on_bad_audio=skip")
    result = training.run(*options)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert "utterances read for `train` were skipped as bad audio, more than 10%" in result.stderr
    stopped = training.record["spent"]["updates"]
    assert stopped == 50, "when 100 utterances were read"
    assert training.checkpoint.exists()
    assert not (training.folder / "checkpoints" / "crash.pt").exists()
    for path, content in audio.items():
        path.write_bytes(content)
    check(training.run(*options))
    assert training.record["spent"]["updates"] == 80
    assert training.record["data"]["bad_audio"]["train"]["read"] == 160, "of both starts"
    assert (
        training.logged("train_inner")[stopped]["hours_heard"] > training.logged("train_inner")[stopped - 1]["hours_heard"]
    )


def test_segments_with_labels(corpus: Path, tmp_path: Path) -> None:
    training = Training(corpus / "data", tmp_path / "run", "hubert")
    limits = ("task.segment_seconds=2", "task.max_sample_size=43000", "dataset.max_tokens=90000")
    result = check(training.run(*updates(3), *limits))
    assert "re-cut: " in result.stdout + result.stderr
    record = training.record["data"]
    assert record["segment_seconds"] == 2
    assert record["hours"] == pytest.approx(Manifest.read(corpus / "data" / "train.tsv").hours)
    assert training.logged("train_inner")[-1]["hours_heard"] > 0


@pytest.mark.slow
def test_shards_train_the_same_model_as_files(training: Training, speech: Path, tmp_path: Path) -> None:
    check(run(["fairseq-budget", "corpus", "pack", str(speech / "train-clean"), "shards", "--shard-mb", "0.5"], tmp_path))
    valid = ("--valid-root", str(speech / "dev-clean"))
    check(run(["fairseq-budget", "manifest", "shards", *valid, "--out", "packed"], tmp_path))
    packed = Training(tmp_path / "packed", tmp_path / "run_on_shards", "tera")
    weights = []
    for one in (training, packed):
        check(one.run(*updates(4), "dataset.num_workers=1"))
        weights.append(safe_load(one.checkpoint)["model"])
    assert len(list((tmp_path / "shards").glob("*.tar"))) > 1
    assert [row["loss"] for row in packed.logged("train_inner")] == [row["loss"] for row in training.logged("train_inner")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0] | weights[1])
