"""The sox effects and the audio reader that stand in for torchaudio's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fairseq_budget.errors import BudgetError
from s3prl_upstreams import sox


def tone(rate: int, channels: int = 1, hertz: float = 440.0) -> np.ndarray:
    """One second, (T, C); each further channel is half as loud as the one before."""
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)
    return np.stack([wave / 2**channel for channel in range(channels)], axis=1).astype(np.float32)


@pytest.fixture
def stereo_8k(tmp_path: Path) -> Path:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, tone(8000, 2), 8000, subtype="FLOAT")
    return path


def test_reading_gives_channels_first(stereo_8k: Path) -> None:
    wave, rate = sox.load(str(stereo_8k))
    assert wave.shape == (2, 8000) and wave.dtype is torch.float32 and rate == 8000
    torch.testing.assert_close(wave.numpy().T, tone(8000, 2))
    assert sox.load(stereo_8k, channels_first=False)[0].shape == (8000, 2)


def test_reading_a_part(stereo_8k: Path) -> None:
    whole, part = sox.load(stereo_8k)[0], sox.load(stereo_8k, frame_offset=100, num_frames=50)[0]
    assert torch.equal(part, whole[:, 100:150])


def test_integer_files_are_scaled_to_one(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "pcm.flac", np.array([-32768, 16384, 0], dtype=np.int16), 16000)
    assert sox.load(tmp_path / "pcm.flac")[0].tolist() == [[-1.0, 0.5, 0.0]]


def test_the_effects_of_superb(stereo_8k: Path) -> None:
    """Mean of the channels, twice the samples, 3 dB less."""
    effects = [["channels", "1"], ["rate", "16000"], ["gain", "-3.0"]]
    wave, rate = sox.apply_effects_file(stereo_8k, effects)
    assert wave.shape == (1, 16000) and wave.dtype is torch.float32 and rate == 16000
    expected = torch.from_numpy(tone(16000).T) * 0.75 * 0.70795
    middle = slice(500, -500)  # the ends of a resampled tone ring
    torch.testing.assert_close(wave[:, middle], expected[:, middle], atol=1e-3, rtol=0)


def test_mono_16k_only_gets_quieter() -> None:
    wave = torch.from_numpy(tone(16000).T.copy())
    same, _ = sox.apply_effects_tensor(wave, 16000, [["channels", "1"], ["rate", "16000"]])
    assert torch.equal(same, wave)
    quiet, _ = sox.apply_effects_tensor(wave, 16000, [["gain", "-3.0"]])
    torch.testing.assert_close(quiet, wave * 10 ** (-3 / 20))


def test_time_first_tensors() -> None:
    wave, _ = sox.apply_effects_tensor(torch.ones(10, 2), 16000, [["channels", "1"]], channels_first=False)
    assert wave.shape == (10, 1)


def test_what_is_not_implemented_is_said() -> None:
    with pytest.raises(BudgetError, match="effect `silence` is not implemented here .known: channels, rate, gain"):
        sox.apply_effects_tensor(torch.zeros(1, 10), 16000, [["silence", "1", "0.1", "0.1%"]])
    with pytest.raises(BudgetError, match="`channels 2`: only mixing down to 1"):
        sox.apply_effects_tensor(torch.zeros(1, 10), 16000, [["channels", "2"]])


@pytest.mark.parametrize("content", [None, b"", b"RIFF but no audio"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BudgetError, match=r"cannot read the audio file `.*bad\.wav`"):
        sox.apply_effects_file(path, [])
