"""Reading audio as the models want it: one channel, 16 kHz, float32, whatever the file holds.

A file may be a stretch of an archive, `PATH:OFFSET:BYTES` (`data/archives`).  T is a number of samples at 16 kHz
throughout; "own samples" are samples at the file's own rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.data.archives.index import shown
from fairseq_budget.data.archives.stretch import opened, size, stretch_of
from fairseq_budget.data.mp3 import opened_with_length
from fairseq_budget.errors import BudgetError

# libsndfile seeks to the exact sample in these; in Vorbis and MP3 it can land a little beside it (seen with 1.2.2).
_EXACT_SEEK = frozenset({"FLAC", "WAV", "WAVEX", "RF64", "W64", "AIFF", "AU"})


RATES = (1_000, 768_000)
"""Hz: below, nothing of speech is left; above, nothing records."""
MOST_CHANNELS = 64
MOST_SAMPLES_OF_A_BYTE = {"MP3": 100}
"""A header's length is believed up to this (MP3's lowest rates have 8); 2^16 where nothing stands here: FLAC, the densest of
the other formats, has at most so many in a frame."""
READ_SAMPLES = 2**20
"""A file is read so many samples at a time: memory is taken for what it holds, not for what it says.  MP3 is read at once:
in pieces it is decoded to slightly other samples (seen with libsndfile 1.2.2)."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says: its length in own samples, its rate in Hz, its channels and container format."""

    path: Path
    frames: int
    rate: int
    channels: int
    format: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate


def info(path: str | Path) -> AudioInfo:
    """Read the header of an audio file.

    Raises:
        BudgetError: it is missing, empty, not audio, does not say how long it is, or says what can't be true of a file
            of its size; names the file.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise _unreadable(path, OSError())
    try:
        with opened(path) as file:
            header = soundfile.info(file)
        if header.format == "MP3":
            with opened_with_length(path) as file:
                header = soundfile.info(file)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise _unreadable(path, error) from error
    if header.frames <= 0:
        raise BudgetError(f"{shown(path)} holds no audio samples: delete it or make it again")
    # An unfinished stream (a FLAC encoder that was cut off) has no length in its header; libsndfile says 2^63 - 1.
    if header.frames >= np.iinfo(np.int64).max:
        raise BudgetError(f"{shown(path)} does not say how long it is: write it again, for example with `flac -f`")
    found = AudioInfo(path, int(header.frames), int(header.samplerate), int(header.channels), str(header.format))
    if wrong := _unbelievable(found):
        raise BudgetError(
            f"{shown(path)} says that it has {wrong}: it is damaged, or no speech; copy it again or leave it out"
        )
    return found


def _unbelievable(header: AudioInfo) -> str | None:
    there = size(header.path)
    if not RATES[0] <= header.rate <= RATES[1]:
        return f"{header.rate:,} samples a second (from {RATES[0]:,} to {RATES[1]:,} are read)"
    if header.channels > MOST_CHANNELS:
        return f"{header.channels} channels (up to {MOST_CHANNELS} are read)"
    if header.frames > there * MOST_SAMPLES_OF_A_BYTE.get(header.format, 2**16):
        return f"{header.frames:,} samples in {there:,} bytes"
    return None


def frames_at_16k(header: AudioInfo) -> int:
    """The number of samples T that ``read`` returns for the whole file: own samples x 16000 / rate, half rounded up."""
    return (header.frames * SAMPLE_RATE + header.rate // 2) // header.rate


def read(file: str | Path | AudioInfo, offset: int = 0, frames: int = -1) -> np.ndarray:
    """Samples `offset` .. `offset + frames` of a file, counted at 16 kHz; -1 frames means to the end.

    Whoever has read its header gives that, and it isn't read again.

    Channels are averaged.  A file at another rate is resampled as a whole (soxr, high quality) and then cut, so a piece
    has exactly the values it has in the whole file.

    Shape: (T,) float32, full scale = 1.

    Raises:
        BudgetError: it cannot be read, is damaged, holds NaN or infinity, or is too short; names the file.
    """
    header = file if isinstance(file, AudioInfo) else info(file)
    path, total = header.path, frames_at_16k(header)
    end = total if frames < 0 else offset + frames
    if not 0 <= offset < end <= total:
        raise BudgetError(
            f"samples {offset}..{end} of {shown(path)} were asked for, but it has {total} at 16 kHz: "
            "make the manifest again with `fairseq-budget manifest`"
        )
    wave = _cut(header, offset, end)
    if len(wave) != end - offset:
        raise BudgetError(f"{shown(path)} is damaged: it ends before the length in its header; copy or download it again")
    if not np.isfinite(wave).all():
        raise BudgetError(f"{shown(path)} holds NaN or infinite samples: repair it or leave it out of the manifest")
    return wave


def _cut(header: AudioInfo, start: int, end: int) -> np.ndarray:
    """Samples start..end at 16 kHz, reading no more of the file than that needs.  Shape: (T,)."""
    if header.rate != SAMPLE_RATE:
        own = _own_samples(header, 0, header.frames)
        wave = soxr.resample(own, header.rate, SAMPLE_RATE) if len(own) == header.frames else own[:0]
        return np.ascontiguousarray(wave[start:end])
    if header.format in _EXACT_SEEK:
        return _own_samples(header, start, end)
    return np.ascontiguousarray(_own_samples(header, 0, header.frames)[start:end])


def _own_samples(header: AudioInfo, start: int, end: int) -> np.ndarray:
    """Own samples start..end as one channel; fewer where the file ends early.  Shape: (own samples,)."""
    parts, left, mp3 = [], end - start, header.format == "MP3"
    piece = left if mp3 else READ_SAMPLES
    try:
        with (opened_with_length if mp3 else opened)(header.path) as source, soundfile.SoundFile(source) as file:
            if start:
                file.seek(start)
            while left > 0 and len(block := file.read(min(left, piece), dtype="float32", always_2d=True)):
                parts.append(block[:, 0] if header.channels == 1 else block.mean(axis=1))
                left -= len(block)
    except (soundfile.LibsndfileError, OSError) as error:
        raise _unreadable(header.path, error) from error
    return parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty(0, np.float32)])


def _unreadable(path: Path, error: Exception) -> BudgetError:
    """One line for a file that libsndfile refuses, with the likeliest reason and what to do about it."""
    there = stretch_of(path)
    file = path if there is None else there.archive
    if not file.exists():
        return BudgetError(f"audio file `{file}` does not exist: check the path, or make the manifest again")
    if file.is_dir():
        return BudgetError(f"`{file}` is a folder, not an audio file: name one file in it")
    if not file.is_file():
        return BudgetError(f"`{file}` is a pipe or a device, not an audio file: leave it out")
    if size(path) == 0:
        return BudgetError(f"{shown(path)} is an empty file: copy or download it again")
    reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return BudgetError(f"{shown(path)} cannot be read as audio ({reason}): copy it again, or convert it to FLAC or WAV")
