"""The sox effects and the audio reader that stand in for torchaudio's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.host import sox


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


def test_what_a_file_holds_is_told_without_reading_it(stereo_8k: Path, tmp_path: Path) -> None:
    assert sox.info(str(stereo_8k)) == sox.Info(8000, 8000, 2, 0, "FLOAT")
    for subtype, bits in (("PCM_16", 16), ("PCM_U8", 8)):
        soundfile.write(tmp_path / "mono.wav", tone(16000)[:99], 16000, subtype=subtype)
        assert sox.info(tmp_path / "mono.wav") == sox.Info(16000, 99, 1, bits, subtype)
    (tmp_path / "mono.wav").write_bytes(b"no audio")
    with pytest.raises(BudgetError, match=r"cannot read the audio file `.*mono.wav` \(.+\): replace it or leave it out"):
        sox.info(tmp_path / "mono.wav")


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
    with pytest.raises(BudgetError, match="effect `reverb` is not implemented here .known: channels, rate, gain, silence"):
        sox.apply_effects_tensor(torch.zeros(1, 10), 16000, [["reverb"]])
    for arguments in (
        ["1", "0.1", "0.1%"],
        ["2", "0.1", "0.1%", "-1", "0.1", "0.1%"],
        ["1", "0.1", "-60d", "-1", "0.1", "1%"],
    ):
        with pytest.raises(BudgetError, match="sox `silence .*`: only `1 D P% -1 D P%` on one channel"):
            sox.apply_effects_tensor(torch.zeros(1, 10), 16000, [["silence", *arguments]])
    with pytest.raises(BudgetError, match="`channels 2`: only mixing down to 1"):
        sox.apply_effects_tensor(torch.zeros(1, 10), 16000, [["channels", "2"]])


@pytest.mark.parametrize("content", [None, b"", b"RIFF but no audio"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BudgetError, match=r"cannot read the audio file `.*bad\.wav`"):
        sox.apply_effects_file(path, [])


SILENCE = ["silence", "1", "0.1", "0.1%", "-1", "0.1", "0.1%"]
"""What ASV asks for: 0.1 s above and below 0.1 % of full scale."""


def without_silence(*pieces: tuple[float, float]) -> list[tuple[float, int]]:
    """ASV's `silence` on stretches of (level, seconds) at 16 kHz: (level, samples) of the stretches that are left."""
    wave = torch.from_numpy(np.concatenate([np.full(round(seconds * 16000), level) for level, seconds in pieces])[None])
    left = sox.apply_effects_tensor(wave.float(), 16000, [SILENCE])[0][0].numpy()
    edges = np.flatnonzero(np.diff(left, prepend=np.nan, append=np.nan))
    return [(round(float(left[a]), 4), int(b - a)) for a, b in zip(edges, edges[1:], strict=False)]


def test_silence_before_speech_goes() -> None:
    """The window of 20 ms (320 samples) sees a loud signal with its first sample: 0.5 / sqrt(320) is above 0.001."""
    assert without_silence((0, 0.5), (0.5, 0.5)) == [(0.5, 8000)]


def test_a_sound_shorter_than_a_tenth_of_a_second_is_no_beginning() -> None:
    """Of 0.05 s of sound, the window still sees 319 samples more."""
    assert without_silence((0.5, 0.05), (0, 0.5), (0.5, 0.2)) == [(0.5, 3200)]


def test_a_pause_goes_from_a_tenth_of_a_second_on() -> None:
    """A pause counts from when the window sees nothing of the sound before it, 319 samples in."""
    kept = without_silence((0.5, 0.2), (0, 0.119), (0.5, 0.2))
    assert kept == [(0.5, 3200), (0.0, 1904), (0.5, 3200)]
    assert without_silence((0.5, 0.2), (0, 0.12), (0.5, 0.2)) == [(0.5, 3200), (0.0, 319), (0.5, 3200)]


def test_after_a_pause_a_tenth_of_a_second_of_sound_is_wanted_again() -> None:
    assert without_silence((0.5, 0.2), (0, 0.5), (0.5, 0.04), (0, 0.5), (0.5, 0.2)) == [
        (0.5, 3200),
        (0.0, 319),
        (0.5, 3200),
    ]


def test_a_short_pause_at_the_end_stays_and_a_long_one_goes() -> None:
    assert without_silence((0.5, 0.2), (0, 0.1)) == [(0.5, 3200), (0.0, 1600)]
    assert without_silence((0.5, 0.2), (0, 0.3)) == [(0.5, 3200), (0.0, 319)]


def test_what_is_below_the_threshold_is_silence() -> None:
    """0.1 % of full scale is an RMS of 0.001."""
    assert without_silence((0.0009, 1.0)) == []
    kept = without_silence((0.0011, 1.0))
    assert kept[0][0] == 0.0011 and 16000 - 320 < kept[0][1] < 16000


def test_silence_of_a_whole_recording_leaves_nothing() -> None:
    assert sox.apply_effects_tensor(torch.zeros(1, 8000), 16000, [SILENCE])[0].shape == (1, 0)
    assert sox.apply_effects_tensor(torch.zeros(1, 0), 16000, [SILENCE])[0].shape == (1, 0)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from([0.0, 5e-4, 2e-3, 0.3]), st.integers(1, 4000)), min_size=1, max_size=8))
def test_silence_is_removed_as_a_sample_by_sample_account_has_it(pieces: list[tuple[float, int]]) -> None:
    wave = np.concatenate([np.full(samples, level, dtype=np.float32) for level, samples in pieces])
    ours = sox.apply_effects_tensor(torch.from_numpy(wave[None]), 16000, [SILENCE])[0][0].numpy()
    np.testing.assert_array_equal(ours, sample_by_sample(wave))


def sample_by_sample(wave: np.ndarray, window: int = 320, needed: int = 1600, limit: float = 0.001) -> np.ndarray:
    """sox's definition for one sample after the other.  Shape: (T,) -> (T',)."""
    kept, held, recent, speaking = [], [], [0.0] * window, False
    for sample in wave:
        recent = [*recent[1:], float(sample) ** 2]
        loud = (sum(recent) / window) ** 0.5 > limit
        if speaking and loud:
            kept += [*held, sample]
            held = []
        elif speaking:
            held.append(sample)
            if len(held) == needed:
                held, recent, speaking = [], [0.0] * window, False
        elif loud:
            held.append(sample)
            if len(held) == needed:
                kept, held, speaking = kept + held, [], True
        else:
            held = []
    return np.array(kept + (held if speaking else []), dtype=np.float32)
