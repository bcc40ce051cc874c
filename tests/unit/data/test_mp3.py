"""MP3 files of variable bit rate whose length stands nowhere."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fairseq_budget.data import audio

SECONDS = 6
FRAME = 1152
"""Samples of the longest frame."""


def coded(rate: int, channels: int = 1, mode: str = "VARIABLE") -> bytes:
    """Silence and noise as MP3, so that its bit rates differ."""
    wave = np.zeros((SECONDS * rate, channels), np.float32)
    wave[2 * rate : 4 * rate] = 0.3 * np.random.default_rng(0).standard_normal((2 * rate, channels))
    file = io.BytesIO()
    soundfile.write(file, wave, rate, "MPEG_LAYER_III", format="MP3", bitrate_mode=mode, compression_level=0.5)
    return file.getvalue()


def without_first_frame(data: bytes) -> bytes:
    """What an encoder wrote before it knew the length: the frame of the tag cut off."""
    assert b"Xing" in data[:64] or b"Info" in data[:64]
    return data[data.index(data[:2], 4) :]


@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\1\0" + bytes(128)], ids=["plain", "behind ID3"])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (48_000, 1), (8_000, 1), (22_050, 2)])
def test_the_length_is_counted(tmp_path: Path, rate: int, channels: int, tag: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(tag + without_first_frame(coded(rate, channels)))
    assert abs(soundfile.info(path).frames - SECONDS * rate) > rate, "libsndfile alone is wrong, so this test is needed"
    header = audio.info(path)
    assert 0 <= header.frames - SECONDS * rate <= 3 * FRAME, "an encoder's delay and the last frame's rest are heard, too"
    wave = audio.read(path)
    assert len(wave) == audio.frames_at_16k(header)
    loud = np.flatnonzero(np.abs(wave) > 0.1) / 16_000
    assert loud[0] == pytest.approx(2, abs=0.3) and loud[-1] == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_a_file_that_tells_its_length_is_read_as_before(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(coded(16_000, mode=mode))
    assert audio.info(path).frames == SECONDS * 16_000
    np.testing.assert_allclose(audio.read(path), soundfile.read(path, dtype="float32")[0], rtol=0, atol=1e-6)


def test_a_constant_rate_needs_no_count(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(without_first_frame(coded(16_000, mode="CONSTANT")))
    assert audio.info(path).frames == soundfile.info(path).frames == pytest.approx(SECONDS * 16_000, abs=2 * FRAME)


def test_in_an_archive(tmp_path: Path) -> None:
    data = without_first_frame(coded(16_000))
    (tmp_path / "a.mp3").write_bytes(data)
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        archive.add(tmp_path / "a.mp3", "a.mp3")
    with tarfile.open(tmp_path / "shard.tar") as archive:
        member = archive.getmember("a.mp3")
    stretch = f"{tmp_path / 'shard.tar'}:{member.offset_data}:{member.size}"
    np.testing.assert_array_equal(audio.read(stretch), audio.read(tmp_path / "a.mp3"))


@pytest.mark.parametrize("end", [1, 50, 1000])
def test_a_file_that_is_cut_off_ends_with_its_last_whole_frame(tmp_path: Path, end: int) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(without_first_frame(coded(16_000))[:-end])
    assert len(audio.read(path)) == audio.info(path).frames
