"""The diarization error rate of SD, as s3prl's score.sh has it, from the predictions that its expert saves.

Ten hypotheses are scored: activities above a threshold of 0.3 to 0.7, each with a median filter of 1 and 11 frames, cut
into segments; the lowest rate is the result (s3prl/downstream/docs/superb.md).  The rate itself is dscore's with its
defaults, no collar and overlapping speech counted, which the package simpleder computes, too: time that is missed, falsely
found, or given to the wrong speaker under the best matching of speakers, over the time that speakers spoke, of all
recordings together.
Letters: F frames, C speakers.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import numpy as np

from fairseq_budget.errors import BudgetError

Segments = list[tuple[str, float, float]]
"""(speaker, begin, end) in seconds."""

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
MEDIANS = (1, 11)
_RATE = 16000


def require_library() -> None:
    """BudgetError if the package that computes the rate is not installed."""
    if importlib.util.find_spec("simpleder") is None:
        raise BudgetError("the diarization error rate needs the package simpleder: pip install simpleder==0.0.8")


def error_rate(predictions: Path, reference: Path, frame_shift: int) -> tuple[float, float, int]:
    """(lowest rate as a fraction, its threshold, its median filter) of the files `predictions`/RECORDING.h5.

    `reference` is an RTTM file; `frame_shift` is in samples at 16 kHz.
    Raises BudgetError for a recording of the reference that was not predicted.
    """
    require_library()
    corpus_der = importlib.import_module("simpleder").corpus_der
    truth = read_rttm(reference)
    activities = {recording: _activity(predictions / f"{recording}.h5") for recording in truth}
    results = []
    for median in MEDIANS:
        for threshold in THRESHOLDS:
            found = [segments(activities[recording], threshold, median, frame_shift) for recording in truth]
            results.append((float(corpus_der(list(truth.values()), found)), threshold, median))
    return min(results)


def segments(activity: np.ndarray, threshold: float, median: int, frame_shift: int) -> Segments:
    """The stretches in which each speaker's activity is above `threshold`, after a median filter over `median` frames.

    Times are rounded to 10 ms, as in the RTTM files that s3prl's make_rttm.py writes.  Shape: `activity` (F, C).
    """
    medfilt = importlib.import_module("scipy.signal").medfilt
    active = np.where(activity > threshold, 1, 0)
    if median > 1:
        active = medfilt(active, (median, 1))
    second = frame_shift / _RATE
    found = []
    for speaker, frames in enumerate(active.T):
        changes = np.flatnonzero(np.diff(np.pad(frames, 1)))
        for begin, end in zip(changes[::2], changes[1::2], strict=True):
            start, duration = round(begin * second, 2), round((end - begin) * second, 2)
            found.append((str(speaker), start, start + duration))
    return found


def read_rttm(path: Path) -> dict[str, Segments]:
    """The segments of each recording of an RTTM file, in the file's order; BudgetError for a line that is none."""
    if not path.is_file():
        raise BudgetError(f"no reference `{path}`: make it with `fairseq-budget corpus superb sd`")
    recordings: dict[str, Segments] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            kind, recording, _, begin, duration, _, _, speaker = line.split()[:8]
            start = float(begin)
            segment = (speaker, start, start + float(duration))
        except ValueError as error:
            raise BudgetError(f"`{path}`, line {number}: `{line}` is no line of an RTTM file") from error
        if kind == "SPEAKER":
            recordings.setdefault(recording, []).append(segment)
    return recordings


def _activity(path: Path) -> np.ndarray:
    """Shape: (F, C) float32, probabilities."""
    if not path.is_file():
        raise BudgetError(f"no prediction `{path}`: evaluate again with the whole test set")
    with importlib.import_module("h5py").File(path) as file:
        return np.asarray(file["T_hat"])
