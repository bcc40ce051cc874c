"""Manifests of archives: the same audio as of files, also for stock fairseq; bad audio and changed archives are named."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fairseq.data.audio.audio_utils import parse_path, read_from_stored_zip

from fairseq_budget.data.archives.seals import seals_path
from fairseq_budget.data.check.folder import CheckSettings, check_folder
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.presence import missing
from fairseq_budget.data.scan import scan
from fairseq_budget.data.segments import Segments
from fairseq_budget.data.selection import open_audio
from fairseq_budget.data.speakers import speaker_names
from fairseq_budget.errors import BudgetError

FORMATS = {
    "1-1-0000.flac": 16_000,
    "1-1-0001.wav": 16_000,
    "2-1-0000.ogg": 16_000,
    "2-1-0001.mp3": 16_000,
    "3-1-0000.wav": 22_050,
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, rate in FORMATS.items():
        soundfile.write(folder / name, 0.1 * random.standard_normal(2 * rate + 37), rate)
    return folder


@pytest.fixture(params=["tar", "zip"])
def shards(files: Path, request: pytest.FixtureRequest) -> Path:
    """Two shards, with what WebDataset and lhotse put beside the audio."""
    folder = files.parent / "shards"
    folder.mkdir()
    (files / "1-1-0000.json").write_text("{}")
    for number, names in enumerate((sorted(path.name for path in files.iterdir())[:3], sorted(FORMATS)[2:])):
        pack(folder / f"{number}.{request.param}", files, names)
    (files / "1-1-0000.json").unlink()
    return folder


def pack(archive: Path, files: Path, names: list[str]) -> None:
    if archive.suffix == ".tar":
        with tarfile.open(archive, "w") as tar:
            for name in names:
                tar.add(files / name, name)
        return
    with zipfile.ZipFile(archive, "w") as content:
        for name in names:
            content.write(files / name, name)


def test_audio_from_archives_is_that_of_the_files(files: Path, shards: Path, tmp_path: Path) -> None:
    loose, packed = scan(files), scan(shards)
    assert packed.frames.tolist() == loose.frames.tolist()
    assert list(speaker_names(packed)) == list(speaker_names(loose)) == ["1", "1", "2", "2", "3"]
    packed.write(tmp_path / "train.tsv")
    again = Manifest.read(tmp_path / "train.tsv")
    assert again.archives == packed.archives and len(again.archives) == 2
    assert not list(missing(again))
    for index in range(len(loose)):
        np.testing.assert_array_equal(again.read_audio(index), loose.read_audio(index))
        np.testing.assert_array_equal(again.read_audio(index, 1000, 5000), loose.read_audio(index, 1000, 5000))
    who = np.zeros(5, dtype=np.int64)
    loose_cut, packed_cut = Segments(loose, who, 1.0), Segments(again, who, 1.0)
    packed_cut.write(tmp_path / "segments.tsv")
    packed_cut = Manifest.read(tmp_path / "segments.tsv")  # type: ignore[assignment]
    for index in range(len(loose_cut)):
        np.testing.assert_array_equal(packed_cut.read_audio(index), loose_cut.read_audio(index))


def test_stock_fairseq_reads_the_same_bytes(files: Path, shards: Path) -> None:
    for path, name in zip(map(scan(shards).audio_path, range(5)), sorted(FORMATS), strict=True):
        assert read_from_stored_zip(*_flat(parse_path(str(path)))) == (files / name).read_bytes()


def _flat(parsed: tuple[str, list[int]]) -> tuple[str, int, int]:
    return (parsed[0], *parsed[1])  # type: ignore[return-value]


def test_an_archive_alone_and_one_beside_files(files: Path, shards: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = min(shards.iterdir())
    assert len(open_audio(archive)) == 2
    shutil.copy(archive, files)
    assert len(open_audio(files)) == 5
    assert f"archives are left out: 1 {archive.suffix} (there is audio beside them" in caplog.text


def test_packed_members_are_refused(files: Path) -> None:
    (files.parent / "z").mkdir()
    with zipfile.ZipFile(files.parent / "z" / "a.zip", "w", zipfile.ZIP_DEFLATED) as content:
        content.write(files / "1-1-0001.wav", "a.wav")
    with pytest.raises(BudgetError, match=r"a\.zip`, member `a\.wav`: packed or encrypted.*without compression"):
        scan(files.parent / "z")


def test_an_archive_that_changed_is_refused(shards: Path, files: Path, tmp_path: Path) -> None:
    scan(shards).write(tmp_path / "train.tsv")
    first, second = sorted(shards.iterdir())
    os.utime(first, (1, 1))
    kept = seals_path(tmp_path / "train.tsv")
    before = kept.read_text()
    Manifest.read(tmp_path / "train.tsv")
    assert kept.read_text() != before, "a copy's time is noted"
    second.unlink()
    pack(second, files, ["3-1-0000.wav"])
    with pytest.raises(BudgetError, match=rf"`{second}` has changed since `{tmp_path / 'train.tsv'}` was made of it"):
        Manifest.read(tmp_path / "train.tsv")
    second.unlink()
    assert [name for _, name in missing(Manifest.read(tmp_path / "train.tsv"))] == [second.name] * 3


def test_a_manifest_of_files_has_no_seals(shards: Path, files: Path, tmp_path: Path) -> None:
    scan(shards).write(tmp_path / "train.tsv")
    scan(files).write(tmp_path / "train.tsv")
    assert not seals_path(tmp_path / "train.tsv").exists()
    seals_path(tmp_path / "train.tsv").write_text("[1]")
    with pytest.raises(BudgetError, match="doesn't tell which archives"):
        Manifest.read(tmp_path / "train.tsv")


def test_bad_audio_in_an_archive_is_named(files: Path, tmp_path: Path) -> None:
    (files / "1-1-0001.wav").write_bytes(b"RIFF nothing")
    shards = tmp_path / "bad"
    shards.mkdir()
    pack(shards / "a.tar", files, sorted(FORMATS))
    with pytest.raises(BudgetError, match=r"a\.tar`, member `1-1-0001\.wav` at byte \d+ cannot be read as audio"):
        scan(shards)
    assert len(scan(shards, skip_bad=True)) == 4


def test_check_names_members(files: Path, shards: Path, tmp_path: Path) -> None:
    packed = scan(shards)
    packed.write(tmp_path / "train.tsv")
    text = (tmp_path / "train.tsv").read_text().replace(f"\t{packed.frames[0]}\n", f"\t{packed.frames[0] + 5}\n", 1)
    (tmp_path / "train.tsv").write_text(text)
    findings = check_folder(tmp_path, CheckSettings(("train",))).findings
    (problem,) = findings.of("length")
    assert problem.row == 0 and "the manifest says 32,042" in problem.detail
    with pytest.raises(
        BudgetError, match=r"train\.tsv`, line 2: `.*0\.(tar|zip)`, member `1-1-0000\.flac` at byte \d+ has 32037"
    ):
        Manifest.read(tmp_path / "train.tsv").read_audio(0)
