"""What a training run reads: files that are there, and segments of the length that was asked for."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.segment_labels import SegmentLabels
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.plugin.audio_source import check_files, re_cut

N = 200


def manifest_of(root: Path, present: int) -> Manifest:
    for index in range(present):
        (root / f"{index}-1-1.wav").touch()
    return Manifest(root, [f"{index}-1-1.wav" for index in range(N)], np.full(N, 100_000))


def settings(**changes: Any) -> SimpleNamespace:
    defaults = {"segment_seconds": 5.0, "cross_speakers": False, "speaker_rule": None}
    return SimpleNamespace(**{**defaults, "min_sample_size": 32_000, "max_sample_size": 250_000, **changes})


def test_all_files_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check_files(manifest_of(tmp_path, N))
    assert not caplog.records


def test_a_missing_file_is_named_and_others_are_counted(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, N - 3)
    with pytest.raises(BudgetError, match=r"utterance 198 below .*: no file `.*197-1-1\.wav`, and so for 3 of the 200 utt"):
        check_files(manifest)
    with pytest.raises(BudgetError, match="no file"):
        check_files(manifest, 0.01)


def test_a_few_missing_files_are_tolerated_where_bad_audio_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check_files(manifest_of(tmp_path, N - 2), 0.01)
    assert "no file" in caplog.text
    assert "2 of the 200 utterances; skipped in training" in caplog.text


def test_segments_with_their_labels(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, 0)
    rows = [np.full(623, row) for row in range(N)]
    segments, labels = re_cut(manifest, {"labels": rows, "label_rate": 100.0}, settings(cross_speakers=True))
    assert segments.outside == 0
    assert segments.hours == manifest.hours
    assert isinstance(labels["labels"], SegmentLabels)
    assert labels["label_rate"] == 100.0
    pieces = segments.pieces(0)
    assert labels["labels"][0][0] == int(pieces[0].path.name.split("-")[0])
    assert re_cut(manifest, {}, settings())[1] == {}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"segment_seconds": 1.0}, "task.min_sample_size=9600 task.max_sample_size=250000"),
        ({"segment_seconds": 15.0}, "task.min_sample_size=32000 task.max_sample_size=260800"),
    ],
)
def test_limits_that_would_change_segments_are_refused(tmp_path: Path, changes: dict[str, Any], advice: str) -> None:
    manifest = manifest_of(tmp_path, 0)
    with pytest.raises(ConfigError, match=f"would leave out or crop some: set {advice}"):
        re_cut(manifest, {}, settings(**changes))
    limits = dict(part.removeprefix("task.").split("=") for part in advice.split())
    re_cut(manifest, {}, settings(**changes, **{name: int(value) for name, value in limits.items()}))
