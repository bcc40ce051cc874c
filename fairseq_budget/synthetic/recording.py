"""From clean synthetic speech to something like a recording: 16 kHz, a level, and the noise of a room.

Purely synthetic speech has digital silence, whose log-mel features are one constant, and one loudness for everybody;
a faint coloured noise and a level for each speaker are enough to make features that are not degenerate.
T is a number of samples at 16 kHz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.espeak import RATE
from fairseq_budget.synthetic.speakers import Speaker

_FULL_SCALE = 32767


def at_16k(pcm: np.ndarray) -> np.ndarray:
    """eSpeak's samples at 16 kHz.  Shape: (samples,) int16 at 22.05 kHz -> (T,) float32."""
    return soxr.resample(pcm.astype(np.float32) / _FULL_SCALE, RATE, SAMPLE_RATE)


def trimmed(speech: np.ndarray, threshold_db: float = -40.0) -> np.ndarray:
    """Without the silence before and after: what is below `threshold_db` of the peak.  Shape: (T,) -> (T',)."""
    loud = np.flatnonzero(np.abs(speech) > np.abs(speech).max() * 10 ** (threshold_db / 20))
    return speech[loud[0] : loud[-1] + 1]


def coloured_noise(samples: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise with power proportional to frequency^-slope and an RMS of 1.  Shape: (samples,) float64."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    # Flat below 20 Hz (and at 0 Hz): otherwise steep slopes put all the power where nobody hears it.
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 20.0)
    noise = np.fft.irfft(spectrum * frequency ** (-slope / 2), samples)
    return noise / np.sqrt(np.mean(noise**2))


def recorded(
    speech: np.ndarray, speaker: Speaker, rng: np.random.Generator, snr_db: tuple[float, float] = (25.0, 45.0)
) -> np.ndarray:
    """Speech at its speaker's level with the room's noise, at a signal-to-noise ratio drawn uniformly from `snr_db`.

    The ratio is of mean power over the whole of `speech`, pauses included.  Shape: (T,) float -> (T,) float64.
    """
    speech = speech * (10 ** (speaker.peak_db / 20) / np.abs(speech).max())
    noise_rms = np.sqrt(np.mean(speech**2)) * 10 ** (-rng.uniform(*snr_db) / 20)
    return speech + noise_rms * coloured_noise(len(speech), speaker.noise_slope, rng)


def write_16_bit(path: Path, wave: np.ndarray) -> None:
    """Write a wave, shape (T,), full scale 1, as 16 kHz 16-bit FLAC or WAV (by the file's name).

    Raises:
        BudgetError: it cannot be written (no room, no permission).
    """
    pcm = np.clip(np.rint(wave * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE).astype(np.int16)
    try:
        soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16")
    except soundfile.LibsndfileError as error:
        reason = error.error_string
        raise BudgetError(f"`{path}` cannot be written ({reason}): make room or choose another folder") from error
