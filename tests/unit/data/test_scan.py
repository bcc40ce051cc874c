"""Finding audio in folders."""

from __future__ import annotations

import os
import re
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


def test_unreadable_files_are_named_at_once_and_may_be_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(20):
        put(tmp_path / f"{number:02d}.wav")
    (tmp_path / "07.wav").write_text("not audio")
    (tmp_path / "11.wav").write_bytes(b"")
    told = r"2 of 20 files can't be used: .*07\.wav` cannot be read as audio .*; .*11\.wav` is an empty file"
    with pytest.raises(BudgetError, match=rf"{told}.*; `--skip-bad` leaves them out"):
        scan(tmp_path)
    assert len(scan(tmp_path, skip_bad=True)) == 18
    assert re.search(told, caplog.text)


def test_many_unreadable_files_are_counted(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.wav").write_text("not audio")
    with pytest.raises(BudgetError, match=r"9 of 9 files can't be used: .*4\.wav` cannot .*; and 4 more"):
        scan(tmp_path, skip_bad=True)


def test_formats_that_are_left_out_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.m4a", "b.M4A", "c.webm"):
        (tmp_path / name).touch()
    with pytest.raises(BudgetError, match=r"no audio below .* can't be read are left out: 2 \.m4a, 1 \.webm \(convert"):
        scan(tmp_path)
    put(tmp_path / "d.wav")
    assert scan(tmp_path).paths == ["d.wav"]
    assert "formats that can't be read are left out: 2 .m4a, 1 .webm" in caplog.text


@pytest.mark.parametrize(
    ("ending", "container"), [("sph", "NIST"), ("aiff", "AIFF"), ("au", "AU"), ("caf", "CAF"), ("w64", "W64")]
)
def test_other_formats_that_libsndfile_reads(tmp_path: Path, ending: str, container: str) -> None:
    soundfile.write(tmp_path / f"a.{ending}", np.zeros(1600), 16_000, format=container, subtype="PCM_16")
    assert scan(tmp_path).frames.tolist() == [1600]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(BudgetError, match=r"a\.wav` is a pipe or a device, not an audio file: leave it out"):
        scan(tmp_path)
