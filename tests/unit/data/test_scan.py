"""Finding audio in folders, and the `manifest` command on top of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from fairseq_budget.cli.manifest import manifest as manifest_command
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.scan import scan
from fairseq_budget.errors import BudgetError


def put(path: Path, seconds: float = 0.1, rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(seconds * rate)), rate)
    return path


def run(*arguments: object) -> str:
    """What the command prints; an exception goes on to the test."""
    app = typer.Typer()
    app.command()(manifest_command)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception:
        raise result.exception
    return result.stdout


def test_finds_audio_at_any_depth_in_sorted_order(tmp_path: Path) -> None:
    put(tmp_path / "b" / "x" / "2.flac", 0.2)
    put(tmp_path / "a" / "1.WAV", 0.1, 22050)
    put(tmp_path / "c.ogg", 0.3)
    put(tmp_path / ".hidden" / "no.wav")
    put(tmp_path / "a" / "._1.wav")
    (tmp_path / "a" / "notes.txt").write_text("no audio")
    found = scan(tmp_path)
    assert list(found.paths) == ["a/1.WAV", "b/x/2.flac", "c.ogg"]
    assert list(found.frames) == [1600, 3200, 4800]


def test_only_the_extensions_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "1.wav")
    put(tmp_path / "2.flac")
    assert list(scan(tmp_path, (".flac",)).paths) == ["2.flac"]


def test_follows_links_but_not_in_circles(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "1.wav")
    corpus = tmp_path / "corpus"
    put(corpus / "own" / "2.wav")
    (corpus / "linked").symlink_to(tmp_path / "elsewhere")
    (corpus / "own" / "circle").symlink_to(corpus)
    assert list(scan(corpus).paths) == ["linked/1.wav", "own/2.wav"]


def test_folder_without_audio(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"no audio below `.*`: looked for \.flac, \.wav"):
        scan(tmp_path)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"folder `.*none` does not exist: name the folder"):
        scan(tmp_path / "none")


def test_the_unreadable_file_is_named(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / f"{number:02d}.wav")
    (tmp_path / "07.wav").write_text("not audio")
    with pytest.raises(BudgetError, match=r"07\.wav` cannot be read as audio"):
        scan(tmp_path)


def test_command_holds_out_a_share(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / "speech" / f"{number:02d}.wav", 1.8)
    out = tmp_path / "data"
    printed = run(tmp_path / "speech", "--out", out, "--valid-share", 0.1)
    assert re.search(rf"^train: 18 utterances, 0\.009 h, {re.escape(str(out / 'train.tsv'))}$", printed, re.M)
    assert re.search(r"^valid: 2 utterances, 0\.001 h, ", printed, re.M)
    train, valid = (Manifest.read(out / f"{name}.tsv") for name in ("train", "valid"))
    assert len({*train.paths, *valid.paths}) == 20


def test_command_takes_a_validation_folder_and_limits(tmp_path: Path) -> None:
    for seconds in (0.1, 0.2, 0.3):
        put(tmp_path / "speech" / f"{seconds}.wav", seconds)
        put(tmp_path / "dev" / f"{seconds}.wav", seconds)
    limits = ("--min-seconds", 0.15, "--max-seconds", 0.25)
    run(tmp_path / "speech", "--out", tmp_path, "--valid-root", tmp_path / "dev", *limits)
    assert list(Manifest.read(tmp_path / "train.tsv").paths) == ["0.2.wav"]
    assert Manifest.read(tmp_path / "valid.tsv").root == tmp_path / "dev"


def test_command_refuses_both_kinds_of_validation(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="`--valid-root` and `--valid-share` exclude each other"):
        run(tmp_path, "--out", tmp_path, "--valid-root", tmp_path, "--valid-share", 0.1)
