"""``fairseq-budget manifest``: from audio, or a manifest, to the manifests of a run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fairseq.data.audio.hubert_dataset import load_audio
from typer.testing import CliRunner

from fairseq_budget import __version__
from fairseq_budget.cli import app
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError


def put(path: Path, seconds: float = 0.1, rate: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(seconds * rate)), rate)
    return path


def run(*arguments: object) -> str:
    """What the command prints; an exception goes on to the test."""
    result = CliRunner().invoke(app, ["manifest", *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Ten speakers with four utterances of 2 to 3.5 s each, named as LibriSpeech's."""
    for speaker in range(10):
        for number in range(4):
            put(tmp_path / "speech" / f"{speaker}/7/{speaker}-7-{number:04d}.wav", 2 + number / 2)
    return tmp_path / "speech"


def read(folder: Path) -> tuple[Manifest, Manifest]:
    return Manifest.read(folder / "train.tsv"), Manifest.read(folder / "valid.tsv")


def speakers_of(manifest: Manifest) -> set[str]:
    return {name.split("/")[0] for name in manifest.paths}


def test_a_share_is_held_out(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / "speech" / f"{number:02d}.wav", 1.8)
    out = tmp_path / "data"
    printed = run(tmp_path / "speech", "--out", out, "--valid-share", 0.1)
    assert re.search(rf"^train: 18 utterances, 0\.009 h, {re.escape(str(out / 'train.tsv'))}$", printed, re.M)
    assert re.search(r"^valid: 2 utterances, 0\.001 h, ", printed, re.M)
    train, valid = read(out)
    assert len({*train.paths, *valid.paths}) == 20


def test_speakers_are_held_out(speech: Path, tmp_path: Path) -> None:
    run(speech, "--out", tmp_path, "--valid-share", 0.3, "--valid-speakers")
    train, valid = read(tmp_path)
    assert (len(speakers_of(train)), len(speakers_of(valid))) == (7, 3)
    assert not speakers_of(train) & speakers_of(valid)


def test_a_validation_folder_and_limits(tmp_path: Path) -> None:
    for seconds in (0.1, 0.2, 0.3):
        put(tmp_path / "speech" / f"{seconds}.wav", seconds)
        put(tmp_path / "dev" / f"{seconds}.wav", seconds)
    limits = ("--min-seconds", 0.15, "--max-seconds", 0.25)
    run(tmp_path / "speech", "--out", tmp_path, "--valid-root", tmp_path / "dev", *limits)
    train, valid = read(tmp_path)
    assert train.paths == ["0.2.wav"]
    assert valid.root == tmp_path / "dev"


@pytest.mark.parametrize("option", [("--valid-share", 0.1), ("--valid-speakers",)])
def test_both_kinds_of_validation_are_refused(speech: Path, tmp_path: Path, option: tuple[object, ...]) -> None:
    with pytest.raises(BudgetError, match="hold out audio, but `valid_root` names other: give one"):
        run(speech, "--out", tmp_path, "--valid-root", speech, *option)


def test_nested_subsets_of_a_manifest(speech: Path, tmp_path: Path) -> None:
    run(speech, "--out", tmp_path / "all", "--valid-speakers")
    options = ("--valid-root", tmp_path / "all/valid.tsv", "--hours", "0.004,0.01,0.02", "--seed", 5)
    printed = run(tmp_path / "all/train.tsv", "--out", tmp_path / "part", *options)
    parts = [read(tmp_path / f"part_{hours}h") for hours in ("0.004", "0.01", "0.02")]
    assert set(parts[0][0].paths) < set(parts[1][0].paths) < set(parts[2][0].paths)
    assert [part.hours for part, _ in parts] == pytest.approx([0.004, 0.01, 0.02], abs=2 / 3600)
    assert all(valid.paths == read(tmp_path / "all")[1].paths for _, valid in parts)
    assert len(speakers_of(parts[1][0])) == 9, "balanced: every speaker that is left has audio in it"
    assert f"{tmp_path}/part_0.01h/train.tsv" in printed


def test_segments(speech: Path, tmp_path: Path) -> None:
    """11 s of each speaker are two utterances that fit, and the rest joined."""
    printed = run(speech, "--out", tmp_path, "--valid-root", speech, "--segment-seconds", 2)
    train, valid = read(tmp_path)
    assert train.hours == valid.hours
    assert len(valid) == 40
    assert f"{len(train)} segments of " in printed
    for index in range(len(train)):
        assert len({piece.path.parent for piece in train.pieces(index)}) == 1
        assert len(train.read_audio(index)) == train.frames[index]
    run(speech, "--out", tmp_path, "--valid-root", speech, "--segment-seconds", 15, "--cross-speakers")
    assert len(read(tmp_path)[0]) == 7


def test_a_header_tells_how_it_was_made_and_a_source_that_changes_is_seen(speech: Path, tmp_path: Path) -> None:
    run(speech, "--out", tmp_path / "a", "--seed", 3, "--min-seconds", 2.2)
    train, valid = read(tmp_path / "a")
    assert train.header == valid.header
    assert train.header.items() >= {"source": str(speech), "seed": "3", "min_seconds": "2.2"}.items()
    assert train.header["made by"] == f"fairseq-budget {__version__}, manifest"
    assert "max_seconds" not in train.header, "as it is by default"
    first = (tmp_path / "a/train.tsv").read_bytes()
    run(speech, "--out", tmp_path / "a", "--seed", 3, "--min-seconds", 2.2)
    assert (tmp_path / "a/train.tsv").read_bytes() == first, "made again, the same"
    run(tmp_path / "a/train.tsv", "--out", tmp_path / "b")
    assert read(tmp_path / "b")[0].header["source_sha256"] == train.digest != train.header["source_sha256"]
    put(speech / "0/7/0-7-0004.wav", 1.0)
    run(speech, "--out", tmp_path / "c", "--seed", 3, "--min-seconds", 2.2)
    assert read(tmp_path / "c")[0].header["source_sha256"] != train.header["source_sha256"]


def test_stock_fairseq_reads_manifests_and_stops_at_segments(speech: Path, tmp_path: Path) -> None:
    run(speech, "--out", tmp_path)
    root, names, kept, total, sizes = load_audio(str(tmp_path / "train.tsv"), None, None)
    train = read(tmp_path)[0]
    assert train.header["made by"]
    assert (root, names, sizes) == (str(speech), train.paths, train.frames.tolist())
    run(speech, "--out", tmp_path, "--segment-seconds", 1, "--plain")
    assert not list(tmp_path.glob("*.json")), "nor is anything told of what was there before"
    with pytest.raises(AssertionError):
        load_audio(str(tmp_path / "train.tsv"), None, None)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--hours", "1x"), "`--hours 1x`: expected hours, or minutes as 10min, with commas between them"),
        (("--hours", "99"), r"a subset of 99 h: .* has 0\.0.* h; ask for less"),
        (("--hours", "0.01", "--speaker-rule", "^(x)"), r"finds no speaker in `\d+/7/"),
        (("--segment-seconds", "0.5"), "`segment_seconds` must be from 1 to 3600"),
        (("--min-seconds", "60"), "no file below .* lasts 60 to inf s"),
    ],
)
def test_what_cannot_be_made(speech: Path, tmp_path: Path, options: tuple[str, ...], problem: str) -> None:
    with pytest.raises(BudgetError, match=problem):
        run(speech, "--out", tmp_path / "data", *options)
    assert not list(tmp_path.glob("data*"))
