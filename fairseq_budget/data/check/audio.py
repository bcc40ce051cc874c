"""Checking the audio of a manifest's rows: every file is decoded in full, in as many processes as there are.

N is a number of rows, T a number of samples at 16 kHz.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from joblib import Parallel, delayed

from fairseq_budget.data import audio
from fairseq_budget.data.archives.index import shown
from fairseq_budget.data.archives.stretch import file_of, opened
from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.data.check.findings import Findings
from fairseq_budget.data.manifest import Manifest, Piece
from fairseq_budget.data.progress import tracked
from fairseq_budget.errors import BudgetError, ConfigError

FULL_SCALE = 0.999
"""From here on a sample counts as clipped: the highest of 16 bits, and what lies less than 0.01 dB below it."""

_ROWS_PER_TASK = 32
_DIGEST = np.dtype("V16")
_NO_DIGEST = np.void(bytes(_DIGEST.itemsize))


@dataclass(frozen=True)
class Limits:
    """From where on audio is worth mentioning; lengths as in the recipes (`task.min_sample_size`, `max_sample_size`)."""

    min_seconds: float = 2.0
    max_seconds: float = 15.625
    silence_db: float = -60.0  # root mean square about the mean, in decibels below full scale
    clipped_percent: float = 1.0  # of the samples

    def validate(self) -> None:
        """Raises:
        ConfigError: limits that make no sense.
        """
        if not 0 <= self.min_seconds < self.max_seconds:
            raise ConfigError(
                f"`min_seconds` = {self.min_seconds:g} must be from 0 to below `max_seconds` = {self.max_seconds:g}"
            )
        if not self.silence_db < 0:
            raise ConfigError(f"`silence_db` must be below 0 (full scale), but is {self.silence_db:g}: try -60")
        if not 0 <= self.clipped_percent <= 100:
            raise ConfigError(f"`clipped_percent` must be from 0 to 100, but is {self.clipped_percent:g}: try 1")


Problem = tuple[str, str]
"""Kind and detail."""


def check_audio(split: str, manifest: Manifest, limits: Limits, findings: Findings, workers: int) -> np.ndarray:
    """Decode every row of a manifest that was read from a file; what is wrong goes into `findings`.

    Returns a hash of each row's samples; zeros for rows that can't be read, or are silent, and so are like no other.

    Shape: -> (N,) of 16 bytes
    """
    digests = np.zeros(len(manifest), _DIGEST)
    rows = range(len(manifest))
    tasks = (rows[start : start + _ROWS_PER_TASK] for start in range(0, len(manifest), _ROWS_PER_TASK))
    with Parallel(n_jobs=workers, return_as="generator") as pool:
        # a subset is small to send: the manifest's text is mapped by each process
        results = pool(delayed(_check_rows)(manifest.subset(task), task.start, limits) for task in tasks)
        for row, digest, problems in tracked((row for rows in results for row in rows), f"decoding {split}", len(manifest)):
            digests[row] = digest
            for kind, detail in problems:
                findings.add(kind, split, row, detail)
    return digests


def _check_rows(manifest: Manifest, first: int, limits: Limits) -> list[tuple[int, np.void, list[Problem]]]:
    return [(first + index, *_check_row(manifest, index, limits)) for index in range(len(manifest))]


def _check_row(manifest: Manifest, index: int, limits: Limits) -> tuple[np.void, list[Problem]]:
    """The hash of a row's samples, and what is wrong with it."""
    pieces = manifest.pieces(index)
    problems = list(_length_problems(int(manifest.frames[index]), limits))
    for piece in pieces:
        found = _file_problems(piece)
        # the report names a row's first file
        problems += found if len(pieces) == 1 else [(kind, f"{piece.path.name} {detail}".strip()) for kind, detail in found]
    problems = list(dict.fromkeys(problems))
    if any(kind in ("missing", "unreadable", "length") for kind, _ in problems):
        return _NO_DIGEST, problems
    waves = []
    for piece in pieces:
        try:
            waves.append(audio.read(piece.path, piece.offset, piece.frames))
        except BudgetError as error:
            kind = "nan" if _is_finite(piece) is False else "unreadable"
            return _NO_DIGEST, [*problems, (kind, _without_path(piece, error))]
    wave = np.concatenate(waves)
    problems += _wave_problems(wave, limits)
    if any(kind == "silence" for kind, _ in problems):
        return _NO_DIGEST, problems
    return np.void(hashlib.blake2b(wave.tobytes(), digest_size=_DIGEST.itemsize).digest()), problems


def _length_problems(frames: int, limits: Limits) -> Iterator[Problem]:
    seconds = frames / SAMPLE_RATE
    if seconds < limits.min_seconds:
        yield "short", f"{seconds:.2f} s"
    if seconds > limits.max_seconds:
        yield "long", f"{seconds:.2f} s"


def _file_problems(piece: Piece) -> Iterator[Problem]:
    """What a file's header already tells."""
    if not Path(file_of(str(piece.path))).exists():
        yield "missing", ""
        return
    try:
        header = audio.info(piece.path)
    except BudgetError as error:
        yield "unreadable", _without_path(piece, error)
        return
    there = audio.frames_at_16k(header)
    if piece.whole and there != piece.frames:
        yield "length", f"{there:,} samples at 16 kHz, the manifest says {piece.frames:,}"
    elif piece.offset + piece.frames > there:
        yield "length", f"{there:,} samples at 16 kHz, the row goes on to {piece.offset + piece.frames:,}"
    if header.rate != SAMPLE_RATE:
        yield "rate", f"{header.rate} Hz"
    if header.channels != 1:
        yield "channels", f"{header.channels} channels"


def _wave_problems(wave: np.ndarray, limits: Limits) -> Iterator[Problem]:
    """Shape: (T,)"""
    # about the mean: a constant is silence, too
    level = 20 * np.log10(max(float(wave.std(dtype=np.float64)), 1e-10))
    if level < limits.silence_db:
        yield "silence", f"level {max(level, -200):.0f} dB"
    clipped = 100 * np.count_nonzero(np.abs(wave) >= FULL_SCALE) / len(wave)
    if clipped > limits.clipped_percent:
        yield "clipping", f"{clipped:.1f}% of the samples are at full scale"


def _is_finite(piece: Piece) -> bool | None:
    """Whether a file that was refused holds numbers; None if it can't be decoded."""
    try:
        with opened(piece.path) as file:
            samples, _ = soundfile.read(file, dtype="float32")
    except (soundfile.LibsndfileError, OSError):
        return None
    return bool(np.isfinite(samples).all())


def _without_path(piece: Piece, error: BudgetError) -> str:
    """The report names the file itself."""
    return str(error).replace(f"audio file `{piece.path}` ", "").replace(f"{shown(piece.path)} ", "")
