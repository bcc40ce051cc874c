"""The diarization error rate: segments as s3prl's script cuts them, and rates that can be worked out by hand."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks import der

needs_library = pytest.mark.skipif(importlib.util.find_spec("simpleder") is None, reason="simpleder isn't installed")
h5py = pytest.importorskip("h5py")

SHIFT = 320
"""Samples for a frame: 20 ms."""


def save(folder: Path, **activities: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    for recording, activity in activities.items():
        with h5py.File(folder / f"{recording}.h5", "w") as file:
            file.create_dataset("T_hat", data=activity.astype(np.float32))
    return folder


def rttm(path: Path, *segments: tuple[str, str, float, float]) -> Path:
    lines = (f"SPEAKER\t{r}\t1\t{begin}\t{end - begin}\t<NA>\t<NA>\t{s}\t<NA>\n" for r, s, begin, end in segments)
    path.write_text("".join(lines))
    return path


def frames(*stretches: tuple[int, float, float], total: int = 500) -> np.ndarray:
    """Activity 0.9 of a speaker from one second to another.  Shape: (total, 2)."""
    activity = np.full((total, 2), 0.1)
    for speaker, begin, end in stretches:
        activity[round(begin * 50) : round(end * 50), speaker] = 0.9
    return activity


def test_segments_are_those_of_s3prls_script(tmp_path: Path) -> None:
    """make_rttm.py, run as it is, on noise."""
    import s3prl

    activity = np.random.default_rng(0).random((400, 2))
    save(tmp_path / "predictions", rec=activity)
    script = Path(s3prl.__file__).parent / "downstream" / "diarization" / "make_rttm.py"
    (tmp_path / "list").write_text(f"{tmp_path / 'predictions' / 'rec.h5'}\n")
    for threshold, median in ((0.5, 1), (0.4, 11)):
        options = ["--threshold", str(threshold), "--median", str(median), "--frame_shift", str(SHIFT)]
        command = [sys.executable, str(script), *options, str(tmp_path / "list"), str(tmp_path / "out.rttm")]
        subprocess.run(command, check=True)
        theirs = [(s.rpartition("_")[2], begin, end) for s, begin, end in der.read_rttm(tmp_path / "out.rttm")["rec"]]
        ours = der.segments(activity.astype(np.float32), threshold, median, SHIFT)
        assert len(ours) > 5 and ours == theirs


@needs_library
def test_a_right_answer_under_other_names_is_no_error(tmp_path: Path) -> None:
    predictions = save(tmp_path / "p", a=frames((0, 1, 4), (1, 3, 6)))
    reference = rttm(tmp_path / "rttm", ("a", "x", 3.0, 6.0), ("a", "y", 1.0, 4.0))
    assert der.error_rate(predictions, reference, SHIFT) == (pytest.approx(0.0, abs=1e-9), 0.3, 1)


@needs_library
def test_missed_false_and_wrong_time_over_all_recordings(tmp_path: Path) -> None:
    """10 s are spoken: in `a` 1 s is missed, in `b` 2 s are given to the wrong speaker and 1 s is false: 4 / 10."""
    predictions = save(tmp_path / "p", a=frames((0, 0, 4)), b=frames((0, 0, 3), (1, 3, 6)))
    reference = rttm(tmp_path / "rttm", ("a", "x", 0.0, 5.0), ("b", "x", 0.0, 5.0))
    value, threshold, median = der.error_rate(predictions, reference, SHIFT)
    assert value == pytest.approx((1 + 2 + 1) / 10, abs=1e-6) and (threshold, median) == (0.3, 1)


@needs_library
def test_the_best_of_ten_settings_counts(tmp_path: Path) -> None:
    """Only thresholds below 0.55 find the speaker, and a frame of noise goes with the median filter."""
    activity = np.zeros((500, 2))
    activity[:250, 0] = 0.55
    activity[400, 1] = 1.0
    reference = rttm(tmp_path / "rttm", ("a", "x", 0.0, 5.0))
    assert der.error_rate(save(tmp_path / "p", a=activity), reference, SHIFT) == (pytest.approx(0.0, abs=1e-9), 0.3, 11)


@needs_library
def test_a_recording_without_prediction(tmp_path: Path) -> None:
    reference = rttm(tmp_path / "rttm", ("a", "x", 0.0, 5.0))
    with pytest.raises(BudgetError, match=r"no prediction `.*a\.h5`: evaluate again"):
        der.error_rate(tmp_path, reference, SHIFT)


def test_references_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="no reference `.*rttm`: make it with `fairseq-budget corpus superb sd`"):
        der.read_rttm(tmp_path / "rttm")
    (tmp_path / "rttm").write_text("SPEAKER a 1 0.0 1.0 <NA> <NA> x <NA>\nSPEAKER a 1 zero 1.0 <NA> <NA> x <NA>\n")
    with pytest.raises(BudgetError, match="line 2: `SPEAKER a 1 zero .*` is no line of an RTTM file"):
        der.read_rttm(tmp_path / "rttm")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BudgetError, match="needs the package simpleder: pip install"):
        der.require_library()
