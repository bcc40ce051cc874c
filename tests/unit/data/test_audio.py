"""Reading audio: formats, rates, channels, pieces, and every way it can fail."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from fairseq_budget.data import audio
from fairseq_budget.errors import BudgetError

# 16-bit rounding is at most half a step.
HALF_STEP = 0.5 / 32767 + 1e-7


# The formats that are read, and how far a coded tone of amplitude 0.5 may be from the original.
FORMATS = {
    "a.wav": ("WAV", "PCM_16", 1e-3),
    "a.flac": ("FLAC", "PCM_16", 1e-3),
    "a.ogg": ("OGG", "VORBIS", 0.05),
    "a.opus": ("OGG", "OPUS", 0.1),
    "a.mp3": ("MP3", "MPEG_LAYER_III", 0.1),
}


def tone(seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    """A 440 Hz tone of amplitude 0.5; shape (samples,)."""
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def saved(path: Path, wave: np.ndarray, rate: int = 16000, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, wave, rate, subtype=subtype)
    return path


@pytest.mark.parametrize(("name", "subtype"), [("a.flac", "PCM_16"), ("a.wav", "PCM_16"), ("a.wav", "FLOAT")])
def test_lossless_formats_give_the_samples_back(tmp_path: Path, name: str, subtype: str) -> None:
    wave = audio.read(saved(tmp_path / name, tone(), subtype=subtype))
    assert wave.dtype == np.float32
    assert wave.flags.c_contiguous
    np.testing.assert_allclose(wave, tone(), rtol=0, atol=2 * HALF_STEP)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate", [16000, 22050, 8000, 48000])
def test_length_is_known_from_the_header_and_pieces_are_exact(tmp_path: Path, name: str, rate: int) -> None:
    if name == "a.opus" and rate == 22050:
        rate = 24000  # Opus knows neither 22.05 nor 44.1 kHz
    container, subtype, _ = FORMATS[name]
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * rate + 7)
    path = tmp_path / name
    soundfile.write(path, noise, rate, subtype, format=container)
    whole = audio.read(path)
    assert len(whole) == audio.frames_at_16k(audio.info(path)) == round((2 * rate + 7) * 16000 / rate)
    for offset, frames in [(0, 100), (12345, 1000), (len(whole) - 10, 10), (31000, 1)]:
        np.testing.assert_array_equal(audio.read(path, offset, frames), whole[offset : offset + frames])
    np.testing.assert_array_equal(audio.read(path, 500), whole[500:])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_gives_the_tone_back(tmp_path: Path, name: str, rate: int, channels: int) -> None:
    """The second channel is silent, so the average of both is half the tone."""
    container, subtype, tolerance = FORMATS[name]
    wave = np.zeros((rate, channels))
    wave[:, 0] = tone(rate=rate)
    soundfile.write(tmp_path / name, wave, rate, subtype, format=container)
    middle = slice(2000, -2000)  # away from the ends, where codecs ring
    np.testing.assert_allclose(audio.read(tmp_path / name)[middle], tone()[middle] / channels, rtol=0, atol=tolerance)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("samples", [1, 2, 3, 1000, 22051, 54321])
def test_resampled_length_is_the_formula(tmp_path: Path, rate: int, samples: int) -> None:
    path = saved(tmp_path / "a.wav", np.zeros(samples), rate)
    expected = audio.frames_at_16k(audio.info(path))
    assert len(soxr.resample(np.zeros(samples, np.float32), rate, 16000)) == expected


def test_resampling_keeps_the_tone(tmp_path: Path) -> None:
    wave = audio.read(saved(tmp_path / "a.wav", tone(rate=22050), 22050))
    # Away from the ends, where the filter sees silence beyond the file.
    np.testing.assert_allclose(wave[1000:-1000], tone()[1000:-1000], rtol=0, atol=1e-3)


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([tone(), np.zeros(16000, np.float32)], axis=1)
    wave = audio.read(saved(tmp_path / "a.flac", stereo))
    np.testing.assert_allclose(wave, tone() / 2, rtol=0, atol=2 * HALF_STEP)


def test_info_says_what_the_file_holds(tmp_path: Path) -> None:
    header = audio.info(saved(tmp_path / "a.wav", np.zeros((11025, 2)), 22050))
    assert (header.frames, header.rate, header.channels, header.seconds) == (11025, 22050, 2, 0.5)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"`.*none\.flac` does not exist: check the path"):
        audio.read(tmp_path / "none.flac")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="is a folder, not an audio file"):
        audio.info(tmp_path)


def test_text_that_is_called_flac(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_text("not audio at all\n" * 50)
    with pytest.raises(BudgetError, match=r"`.*a\.flac` cannot be read as audio \(.+\): copy it again, or convert it"):
        audio.read(tmp_path / "a.flac")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(BudgetError, match=r"`.*a\.wav` is an empty file"):
        audio.read(tmp_path / "a.wav")


def test_header_without_samples(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="holds no audio samples"):
        audio.info(saved(tmp_path / "a.wav", np.zeros(0)))


def test_unfinished_stream_has_no_length(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.flac", tone())
    data = bytearray(path.read_bytes())
    # STREAMINFO follows `fLaC` and a 4-byte block header; the low 4 bits of its byte 13 and bytes 14-17 are the length.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(BudgetError, match="does not say how long it is"):
        audio.info(path)


@pytest.mark.parametrize("rate", [16000, 22050])
def test_file_that_ends_early(tmp_path: Path, rate: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * rate)
    path = saved(tmp_path / "a.flac", noise, rate)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BudgetError, match=r"`.*a\.flac` (is damaged|cannot be read as audio)"):
        audio.read(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rate", [16000, 22050])
def test_nan_and_infinity(tmp_path: Path, bad: float, rate: int) -> None:
    wave = tone()
    wave[777] = bad
    with pytest.raises(BudgetError, match=r"`.*a\.wav` holds NaN or infinite samples"):
        audio.read(saved(tmp_path / "a.wav", wave, rate, "FLOAT"))


@pytest.mark.parametrize(("offset", "frames"), [(-1, 5), (16000, -1), (15999, 2), (0, 16001), (5, 0)])
def test_pieces_outside_the_file(tmp_path: Path, offset: int, frames: int) -> None:
    path = saved(tmp_path / "a.wav", tone())
    with pytest.raises(BudgetError, match=r"samples .* of `.*a\.wav` were asked for, but it has 16000 at 16 kHz"):
        audio.read(path, offset, frames)


def flac_that_claims(path: Path, frames: int) -> Path:
    """A short file whose header has another length: 36 bits of STREAMINFO."""
    soundfile.write(path, np.random.default_rng(0).standard_normal(16_000) / 10, 16_000)
    content = bytearray(path.read_bytes())
    content[21] = content[21] & 0xF0 | frames >> 32
    content[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def test_a_length_that_the_file_is_too_small_for(tmp_path: Path) -> None:
    path = flac_that_claims(tmp_path / "a.flac", 2**35)
    with pytest.raises(BudgetError, match=r"a\.flac` says that it has 34,359,738,368 samples in .* bytes: it is damaged"):
        audio.info(path)


def test_memory_is_taken_for_what_is_there(tmp_path: Path) -> None:
    """A length that could be true, which would take 1 GB: the second that is there is read, and the rest is missed."""
    path = flac_that_claims(tmp_path / "a.flac", 2**28)
    tracemalloc.start()
    with pytest.raises(BudgetError, match=r"a\.flac` (is damaged: it ends before|cannot be read)"):
        audio.read(path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize(("rate", "channels", "told"), [(100, 1, "100 samples a second"), (16_000, 80, "80 channels")])
def test_bounds_of_rate_and_channels(tmp_path: Path, rate: int, channels: int, told: str) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((1000, channels)), rate)
    with pytest.raises(BudgetError, match=rf"a\.wav` says that it has {told} \(.*are read\): it is damaged, or no speech"):
        audio.info(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.ogg", "a.mp3"])
def test_long_files_are_read_as_they_are_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    noise = np.random.default_rng(0).standard_normal(40_000).astype(np.float32) / 10
    soundfile.write(tmp_path / name, noise, 16_000)
    at_once = audio.read(tmp_path / name)
    monkeypatch.setattr(audio, "READ_SAMPLES", 7_001)
    np.testing.assert_array_equal(audio.read(tmp_path / name), at_once)
    np.testing.assert_array_equal(audio.read(tmp_path / name, 5_000, 30_000), at_once[5_000:35_000])
