"""The diarization error rate of SD, as s3prl's score.sh has it, from the predictions that its expert saves.

Ten hypotheses are scored: activities above a threshold of 0.3 to 0.7, each with a median filter of 1 and 11 frames, cut
into segments; the lowest rate is the result (s3prl/downstream/docs/superb.md).  The rate itself is dscore's with its
defaults, no collar and overlapping speech counted: time that is missed, falsely found, or given to the wrong speaker under
the best matching of speakers, over the time that speakers spoke, of all recordings together.  pyannote.metrics computes it,
and agrees with the script that dscore runs, NIST's md-eval-22.pl, in all the digits that the script prints.
Letters: F frames, C speakers.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fairseq_budget.corpora.superb.rttm import read_rttm
from fairseq_budget.errors import BudgetError, MissingPackage
from fairseq_budget.extras import install

if TYPE_CHECKING:
    from pyannote.core import Annotation

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
MEDIANS = (1, 11)
_RATE = 16000


def require_library() -> None:
    """BudgetError if the package that computes the rate is not installed."""
    try:
        importlib.import_module("pyannote.metrics")
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"the diarization error rate needs the package pyannote.metrics: {install('pyannote')}"
        ) from error


def error_rate(predictions: Path, reference: Path, frame_shift: int) -> tuple[float, float, int]:
    """(lowest rate as a fraction, its threshold, its median filter) of the files `predictions`/RECORDING.h5.

    `reference` is an RTTM file; `frame_shift` is in samples at 16 kHz.

    Raises:
        BudgetError: a recording of the reference that was not predicted.
    """
    require_library()
    truth = read_reference(reference)
    activities = {recording: _activity(predictions / f"{recording}.h5") for recording in truth}
    results = []
    for median in MEDIANS:
        for threshold in THRESHOLDS:
            found = {name: segments(activity, threshold, median, frame_shift) for name, activity in activities.items()}
            results.append((rate(truth, found), threshold, median))
    return min(results)


def read_reference(path: Path) -> dict[str, Annotation]:
    """Who speaks when in each recording; BudgetError for a file or a line that is none."""
    return read_rttm(path, "make it with `fairseq-budget corpus superb sd`")


def rate(truth: dict[str, Annotation], found: dict[str, Annotation]) -> float:
    """The diarization error rate, a fraction, of all recordings; each is scored from its first to its last speech."""
    from pyannote.core import Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    for recording, reference in truth.items():
        # stretches of one speaker that touch or overlap are joined, as dscore joins them
        reference, hypothesis = reference.support(), found[recording].support()
        scored = reference.get_timeline().extent() | hypothesis.get_timeline().extent()
        metric(reference, hypothesis, uem=Timeline([scored]))
    return float(abs(metric))


def segments(activity: np.ndarray, threshold: float, median: int, frame_shift: int) -> Annotation:
    """The stretches in which each speaker's activity is above `threshold`, after a median filter over `median` frames.

    Times are rounded to 10 ms, as in the RTTM files that s3prl's make_rttm.py writes.  Shape: `activity` (F, C).
    """
    from pyannote.core import Annotation, Segment
    from scipy.signal import medfilt

    active = np.where(activity > threshold, 1, 0)
    if median > 1:
        active = medfilt(active, (median, 1))
    second = frame_shift / _RATE
    found = Annotation()
    for speaker, frames in enumerate(active.T):
        changes = np.flatnonzero(np.diff(np.pad(frames, 1)))
        for begin, end in zip(changes[::2], changes[1::2], strict=True):
            start, duration = round(begin * second, 2), round((end - begin) * second, 2)
            found[Segment(start, start + duration), speaker] = str(speaker)
    return found


def _activity(path: Path) -> np.ndarray:
    """Shape: (F, C) float32, probabilities."""
    if not path.is_file():
        raise BudgetError(f"no prediction `{path}`: evaluate again with the whole test set")
    with importlib.import_module("h5py").File(path) as file:
        return np.asarray(file["T_hat"])
