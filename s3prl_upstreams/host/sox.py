"""``torchaudio.sox_effects`` for torchaudio 2.9 and later, which dropped it: the effects that s3prl's datasets use.

Letters: C channels, T samples.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from fairseq_budget.errors import BudgetError

Sound = tuple[np.ndarray, int]
"""((C, T) float32, samples per second)"""


def apply_effects_file(
    path: str | os.PathLike[str],
    effects: Sequence[Sequence[str]],
    normalize: bool = True,
    channels_first: bool = True,
    format: str | None = None,
) -> tuple[Tensor, int]:
    """Read a file and apply sox effects in order.

    Returns the samples as float32 in [-1, 1], (C, T) or with ``channels_first=False`` (T, C), and their rate in Hz.

    Raises:
        BudgetError: a file that cannot be read, and effects that are not implemented.
    """
    wave, rate = load(path)
    wave, rate = apply_effects_tensor(wave, rate, effects)
    return (wave if channels_first else wave.T), rate


def apply_effects_tensor(
    tensor: Tensor, sample_rate: int, effects: Sequence[Sequence[str]], channels_first: bool = True
) -> tuple[Tensor, int]:
    """Apply sox effects in order to samples of shape (C, T), or with ``channels_first=False`` (T, C)."""
    sound = (tensor if channels_first else tensor.T).numpy(), sample_rate
    for name, *arguments in effects:
        if name not in EFFECTS:
            raise BudgetError(
                f"the sox effect `{name}` is not implemented here (known: {', '.join(EFFECTS)}): "
                "install a torchaudio that still has sox_effects (before 2.9)"
            )
        sound = EFFECTS[name](sound, arguments)
    wave = torch.from_numpy(np.ascontiguousarray(sound[0], dtype=np.float32))
    return (wave if channels_first else wave.T), sound[1]


@dataclass(frozen=True)
class Info:
    """What ``torchaudio.info`` said of a file."""

    sample_rate: int
    num_frames: int
    """Samples of each channel."""
    num_channels: int
    bits_per_sample: int
    """0 where the coding has no such number."""
    encoding: str
    """libsndfile's name, such as PCM_16."""


def info(
    uri: str | os.PathLike[str], format: str | None = None, buffer_size: int = 4096, backend: str | None = None
) -> Info:
    """``torchaudio.info`` through soundfile; `format`, `buffer_size` and `backend` are accepted and ignored."""
    try:
        found = soundfile.info(os.fspath(uri))
    except (OSError, soundfile.SoundFileError) as error:
        raise _unreadable(uri, error) from error
    bits = re.search(r"PCM_\D?(\d+)", found.subtype)
    return Info(found.samplerate, found.frames, found.channels, int(bits[1]) if bits else 0, found.subtype)


def load(
    uri: str | os.PathLike[str],
    frame_offset: int = 0,
    num_frames: int = -1,
    normalize: bool = True,
    channels_first: bool = True,
    format: str | None = None,
    buffer_size: int = 4096,
    backend: str | None = None,
) -> tuple[Tensor, int]:
    """``torchaudio.load`` through soundfile: (samples of shape (C, T) or (T, C), rate in Hz); samples are float32.

    `normalize`, `format`, `buffer_size` and `backend` are accepted and ignored, as torchaudio itself does since 2.9.
    """
    try:
        wave, rate = soundfile.read(os.fspath(uri), frames=num_frames, start=frame_offset, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise _unreadable(uri, error) from error
    wave = torch.from_numpy(wave)  # (T, C)
    return (wave.T.contiguous() if channels_first else wave), rate


def _unreadable(uri: str | os.PathLike[str], error: Exception) -> BudgetError:
    reason = getattr(error, "error_string", error)
    return BudgetError(f"cannot read the audio file `{uri}` ({reason}): replace it or leave it out")


def _channels(sound: Sound, arguments: list[str]) -> Sound:
    """Mix down to one channel by the mean, which is what sox does too."""
    wave, rate = sound
    if arguments != ["1"]:
        raise BudgetError(f"sox `channels {' '.join(arguments)}`: only mixing down to 1 channel is implemented here")
    return wave.mean(axis=0, keepdims=True), rate


def _rate(sound: Sound, arguments: list[str]) -> Sound:
    """Resample with soxr, the library that sox's own ``rate`` is, at the same default quality (high)."""
    wave, rate = sound
    target = int(float(arguments[-1]))
    if target == rate:
        return sound
    return soxr.resample(wave.T, rate, target, quality="HQ").T, target


def _gain(sound: Sound, arguments: list[str]) -> Sound:
    """Multiply by 10^(dB / 20)."""
    wave, rate = sound
    return wave * np.float32(10 ** (float(arguments[-1]) / 20)), rate


def _silence(sound: Sound, arguments: list[str]) -> Sound:
    """Remove silence: `silence 1 D P% -1 D P%`, with seconds D and percentages P, as ASV has it.

    The definition is that of sox 14.4.2 (its manual, and the state machine of silence.c): a sample is loud when the RMS of
    the 20 ms that end with it, with zeros before the beginning, is above P % of full scale.  What comes before D seconds of
    loud samples on end is dropped; then everything is kept until D seconds on end are not loud, which are dropped, and it
    begins anew, with an empty window.  A shorter quiet stretch at the end is kept.
    """
    wave, rate = sound
    above, start, level, below, stop, level_again = [*arguments, *[""] * 6][:6]
    fits = len(arguments) == 6 and (above, below) == ("1", "-1") and level.endswith("%") and level_again.endswith("%")
    if not fits or len(wave) != 1:
        raise BudgetError(f"sox `silence {' '.join(arguments)}`: only `1 D P% -1 D P%` on one channel is implemented here")
    needed, limit = round(float(start) * rate), round(float(stop) * rate)
    loud, quiet = float(level[:-1]) / 100, float(level_again[:-1]) / 100
    window = rate // 50
    power = _power(wave[0], window)
    kept, position = [], 0
    while position < wave.shape[1]:
        level_here = _with_empty_window(power, wave[0], position, window)
        begin = _first_run(level_here > loud**2, needed)
        if begin is None:
            break
        end = _first_run(level_here[begin + needed :] <= quiet**2, limit)
        last = wave.shape[1] if end is None else position + begin + needed + end
        kept.append(wave[:, position + begin : last])
        position = last if end is None else last + limit
    return (np.concatenate(kept, axis=1) if kept else wave[:, :0]), rate


def _power(wave: np.ndarray, window: int) -> np.ndarray:
    """Mean power of the `window` samples that end with each one.  Shape: (T,) -> (T,) float64."""
    total = np.cumsum(np.square(wave, dtype=np.float64))
    before = np.concatenate([np.zeros(min(window, len(wave))), total[:-window]])
    return (total - before) / window


def _with_empty_window(power: np.ndarray, wave: np.ndarray, position: int, window: int) -> np.ndarray:
    """`power` from `position` on, as if there were zeros before it.  Shape: (T,) -> (T - position,)."""
    level = power[position:].copy()
    level[:window] = np.cumsum(np.square(wave[position : position + window], dtype=np.float64)) / window
    return level


def _first_run(mask: np.ndarray, length: int) -> int | None:
    """Where the first `length` true values on end begin; None if there are none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    long = np.flatnonzero(ends - starts >= length)
    return int(starts[long[0]]) if len(long) else None


EFFECTS: dict[str, Callable[[Sound, list[str]], Sound]] = {
    "channels": _channels,
    "rate": _rate,
    "gain": _gain,
    "silence": _silence,
}
