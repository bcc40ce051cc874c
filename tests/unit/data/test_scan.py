"""Finding audio in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fairseq_budget.data.scan import scan
from fairseq_budget.errors import BudgetError


def put(path: Path, seconds: float = 0.1, rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(seconds * rate)), rate)
    return path


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
