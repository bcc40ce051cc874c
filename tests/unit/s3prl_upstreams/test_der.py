"""The diarization error rate: segments as s3prl's script cuts them, and rates that can be worked out by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.tasks import der

h5py = pytest.importorskip("h5py")
Annotation = pytest.importorskip("pyannote.core").Annotation

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


def turns(annotation: Annotation) -> list[tuple[str, float, float]]:
    """(speaker, begin, end), in order of time; s3prl's speakers are RECORDING_NUMBER."""
    found = ((speaker, turn.start, turn.end) for turn, _, speaker in annotation.itertracks(yield_label=True))
    return sorted(((speaker.rpartition("_")[2], *times) for speaker, *times in found), key=lambda turn: (turn[1], turn))


@pytest.mark.integration
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
        theirs = turns(der.read_reference(tmp_path / "out.rttm")["rec"])
        ours = turns(der.segments(activity.astype(np.float32), threshold, median, SHIFT))
        assert len(ours) > 5 and ours == theirs


def test_a_right_answer_under_other_names_is_no_error(tmp_path: Path) -> None:
    predictions = save(tmp_path / "p", a=frames((0, 1, 4), (1, 3, 6)))
    reference = rttm(tmp_path / "rttm", ("a", "x", 3.0, 6.0), ("a", "y", 1.0, 4.0))
    assert der.error_rate(predictions, reference, SHIFT) == (pytest.approx(0.0, abs=1e-9), 0.3, 1)


def test_missed_false_and_wrong_time_over_all_recordings(tmp_path: Path) -> None:
    """10 s are spoken: in `a` 1 s is missed, in `b` 2 s are given to the wrong speaker and 1 s is false: 4 / 10."""
    predictions = save(tmp_path / "p", a=frames((0, 0, 4)), b=frames((0, 0, 3), (1, 3, 6)))
    reference = rttm(tmp_path / "rttm", ("a", "x", 0.0, 5.0), ("b", "x", 0.0, 5.0))
    value, threshold, median = der.error_rate(predictions, reference, SHIFT)
    assert value == pytest.approx((1 + 2 + 1) / 10, abs=1e-6) and (threshold, median) == (0.3, 1)


def test_the_best_of_ten_settings_counts(tmp_path: Path) -> None:
    """Only thresholds below 0.55 find the speaker, and a frame of noise goes with the median filter."""
    activity = np.zeros((500, 2))
    activity[:250, 0] = 0.55
    activity[400, 1] = 1.0
    reference = rttm(tmp_path / "rttm", ("a", "x", 0.0, 5.0))
    assert der.error_rate(save(tmp_path / "p", a=activity), reference, SHIFT) == (pytest.approx(0.0, abs=1e-9), 0.3, 11)


def random_turns(draw: np.random.Generator, speakers: int) -> list[tuple[str, float, float]]:
    """(speaker, begin, end), to 10 ms, in about 10 s; a speaker doesn't overlap with himself."""
    found = []
    for speaker in range(speakers):
        begin = draw.uniform(0, 2)
        while begin < 10:
            end = begin + draw.uniform(0.2, 3)
            found.append((f"s{speaker}", round(begin, 2), round(end, 2)))
            begin = end + draw.uniform(0.05, 2)
    return found


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, (103.02 + 122.55 + 31.71) / 284.69),
        (1, (84.17 + 112.62 + 26.19) / 239.81),
        (2, (93.15 + 126.62 + 32.46) / 289.28),
    ],
)
def test_the_rate_is_that_of_md_eval(seed: int, expected: float, tmp_path: Path) -> None:
    """Twenty recordings of one to four speakers, one without any hypothesis.

    `expected` is what NIST's md-eval-22.pl, as dscore calls it (``-c 0``, scored from the first to the last speech), printed
    for these files: missed, falsely found and wrongly given seconds, of the seconds spoken.
    """
    draw = np.random.default_rng(seed)
    truth = {f"r{i:02}": random_turns(draw, int(draw.integers(1, 4))) for i in range(20)}
    found = {name: random_turns(draw, int(draw.integers(1, 5))) for name in truth} | {"r07": []}
    reference = der.read_reference(rttm(tmp_path / "ref", *((name, *turn) for name in truth for turn in truth[name])))
    hypothesis = der.read_reference(rttm(tmp_path / "hyp", *((name, *turn) for name in found for turn in found[name])))
    assert "r07" not in hypothesis
    assert der.rate(reference, {"r07": Annotation(), **hypothesis}) == pytest.approx(expected, abs=1e-9)


def test_stretches_of_one_speaker_that_overlap_count_once(tmp_path: Path) -> None:
    """dscore joins them: of 5 s spoken, 1 s is missed."""
    reference = rttm(tmp_path / "rttm", ("a", "x", 0.0, 3.0), ("a", "x", 2.0, 5.0))
    predictions = save(tmp_path / "p", a=frames((0, 0, 4)))
    assert der.error_rate(predictions, reference, SHIFT)[0] == pytest.approx(1 / 5, abs=1e-6)


def test_a_recording_without_prediction(tmp_path: Path) -> None:
    reference = rttm(tmp_path / "rttm", ("a", "x", 0.0, 5.0))
    with pytest.raises(BudgetError, match=r"no prediction `.*a\.h5`: evaluate again"):
        der.error_rate(tmp_path, reference, SHIFT)


def test_no_reference(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="no RTTM file `.*rttm`: make it with `fairseq-budget corpus superb sd`"):
        der.read_reference(tmp_path / "rttm")


@pytest.mark.parametrize(
    "line",
    [
        "SPEAKER a 1 zero 1.0 <NA> <NA> x <NA>",
        "SPEAKER a 1 0.0",
        "SPEAKER a 1 0.0 1.0 <NA> <NA>",
        "SPEAKER a 1 0.0 0.0 <NA> <NA> x <NA>",
        "SPEAKER a 1 0.0 1.0 <NA> <NA> x <NA> <NA> more",
    ],
)
def test_lines_that_are_none(line: str, tmp_path: Path) -> None:
    (tmp_path / "rttm").write_text(f"SPEAKER a 1 0.0 1.0 <NA> <NA> x <NA>\n{line}\n")
    with pytest.raises(BudgetError, match=f"rttm`, line 2: `{line}` is no line of an RTTM file: make it with"):
        der.read_reference(tmp_path / "rttm")


def test_a_reference_without_speech(tmp_path: Path) -> None:
    (tmp_path / "rttm").write_text("LEXEME a 1 0.0 1.0 word lex x <NA>\n")
    with pytest.raises(BudgetError, match="rttm` has no line `SPEAKER RECORDING"):
        der.read_reference(tmp_path / "rttm")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyannote.metrics", None)
    with pytest.raises(BudgetError, match=r"needs the package pyannote.metrics: pip install 'fairseq-budget\[superb\]'"):
        der.require_library()
