"""What makes synthetic speech look recorded: levels, noise, trimming, 16-bit files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.espeak import Voice
from fairseq_budget.synthetic.recording import at_16k, coloured_noise, recorded, trimmed, write_16_bit
from fairseq_budget.synthetic.speakers import Speaker


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0, -1.0])
def test_noise_has_its_colour(slope: float) -> None:
    noise = coloured_noise(2**16, slope, np.random.default_rng(0))
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency = np.fft.rfftfreq(len(noise), 1 / 16000)
    low, high = (power[(frequency > f) & (frequency < 2 * f)].mean() for f in (100, 3200))
    # Five octaves apart; a mean over a few hundred bins is good to about 10 %.
    assert low / high == pytest.approx(32**slope, rel=0.2)


def test_level_and_signal_to_noise_ratio() -> None:
    speech = np.sin(np.arange(16000) * 0.3)
    speaker = Speaker("1", Voice(), peak_db=-6.0, noise_slope=1.0)
    noise = recorded(speech, speaker, np.random.default_rng(0), snr_db=(30.0, 30.0)) - speech * 10 ** (-6 / 20)
    ratio = np.mean((speech * 10 ** (-6 / 20)) ** 2) / np.mean(noise**2)
    assert 10 * np.log10(ratio) == pytest.approx(30)


def test_trimming_takes_silence_from_both_ends() -> None:
    speech = np.concatenate([np.zeros(10), [1.0, 0.0, -0.5], np.full(7, 0.001)])
    np.testing.assert_array_equal(trimmed(speech), [1.0, 0.0, -0.5])


def test_resampling_keeps_the_duration() -> None:
    assert len(at_16k(np.zeros(22050, np.int16))) == 16000


def test_files_are_16_bit_and_clipped_rather_than_wrapped(tmp_path: Path) -> None:
    write_16_bit(tmp_path / "a.flac", np.array([0.5, 2.0, -2.0]))
    assert soundfile.info(tmp_path / "a.flac").subtype == "PCM_16"
    pcm, rate = soundfile.read(tmp_path / "a.flac", dtype="int16")
    assert rate == 16000
    assert list(pcm) == [16384, 32767, -32767]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"a\.wav` cannot be written \(.*\): make room or choose another folder"):
        write_16_bit(tmp_path / "none" / "a.wav", np.zeros(10))
