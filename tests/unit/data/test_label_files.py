"""Label files: random access, checks that name file and line, and cutting beside the audio."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.labels import (
    DICTIONARY_NAME,
    LabelFile,
    crop_labels,
    label_span,
    read_dictionary,
    write_dictionary,
    write_labels,
)
from fairseq_budget.errors import BudgetError

LINES = "3 1 4 1 5\n\n9 2 6\n"


@pytest.fixture
def km(tmp_path: Path) -> Path:
    path = tmp_path / "train.km"
    path.write_text(LINES)
    return path


def test_random_access(km: Path) -> None:
    labels = LabelFile(km, 10)
    assert len(labels) == 3
    assert [labels[i].tolist() for i in (2, 0, 1)] == [[9, 2, 6], [3, 1, 4, 1, 5], []]
    assert labels[0].dtype == np.int64


@pytest.mark.parametrize("text", [LINES.rstrip("\n"), LINES.replace("\n", "\r\n"), LINES.replace("\n", " \n")])
def test_line_ends_do_not_matter(km: Path, text: str) -> None:
    km.write_bytes(text.encode())
    labels = LabelFile(km, 10)
    assert [labels[i].tolist() for i in range(len(labels))] == [[3, 1, 4, 1, 5], [], [9, 2, 6]]
    assert labels.lengths.tolist() == [5, 0, 3]


def test_a_worker_gets_the_name_only(tmp_path: Path) -> None:
    path = tmp_path / "train.km"
    write_labels(path, [np.arange(5_000), np.arange(3)])
    sent = pickle.dumps(LabelFile(path, 5_000))
    assert len(sent) < 1_000 < path.stat().st_size
    assert pickle.loads(sent)[1].tolist() == [0, 1, 2]
    write_labels(path, [np.arange(3), np.arange(5_000)])
    with pytest.raises(BudgetError, match=r"train\.km` was changed while it was in use"):
        pickle.loads(sent)


@given(st.lists(st.lists(st.integers(0, 499), max_size=20), min_size=1, max_size=20))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]]) -> None:
    path = tmp_path_factory.mktemp("labels") / "x.km"
    write_labels(path, (np.array(row, dtype=np.int64) for row in rows))
    labels = LabelFile(path, 500)
    assert [labels[i].tolist() for i in range(len(labels))] == rows


def test_an_interrupted_write_leaves_the_old_file(km: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_labels(km, (np.arange(1 // row) for row in (1, 0)))
    assert km.read_text() == LINES
    assert [path.name for path in km.parent.iterdir()] == ["train.km"]


@pytest.mark.parametrize("line", ["1 x", "1.5", "-1 2", "1,2"])
def test_refuses_what_is_not_a_label(km: Path, line: str) -> None:
    km.write_text(f"1 2\n{line}\n")
    with pytest.raises(BudgetError, match=r"train\.km`, line 2: expected integers"):
        LabelFile(km, 10)
    assert [path.name for path in km.parent.iterdir()] == ["train.km"]


def test_refuses_labels_beyond_the_dictionary(km: Path) -> None:
    with pytest.raises(BudgetError, match=r"train\.km`, line 3: label 9 is not in the dictionary of 9"):
        LabelFile(km, 9)
    km.write_text("0\n7 70000\n")
    with pytest.raises(BudgetError, match=r"train\.km`, line 2: label 70000 is above 65535"):
        LabelFile(km, 9)


@pytest.mark.parametrize("content", [None, ""])
def test_missing_or_empty_file(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "valid.km"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BudgetError, match=r"valid\.km` is missing or empty"):
        LabelFile(path, 10)


@pytest.mark.parametrize(("rate", "frames"), [(100, 98), (50, 49)])
def test_check_accepts_frames_that_the_last_window_cost(km: Path, rate: int, frames: int) -> None:
    write_labels(km, [np.zeros(frames, dtype=np.int64)] * 2)
    LabelFile(km, 1).check([16_000, 16_000], rate)


def test_check_counts_lines(km: Path) -> None:
    with pytest.raises(BudgetError, match=r"train\.km`: 3 lines for 2 rows"):
        LabelFile(km, 10).check([800, 800], 100)


def test_check_compares_lengths(km: Path) -> None:
    write_labels(km, [np.zeros(98, dtype=np.int64), np.zeros(89, dtype=np.int64)])
    with pytest.raises(BudgetError, match=r"line 2: 0\.89 s of labels at 100 Hz for 1\.00 s of audio"):
        LabelFile(km, 10).check([16_000, 16_000], 100)
    with pytest.raises(BudgetError, match=r"line 1: 1\.96 s of labels at 50 Hz"):
        LabelFile(km, 10).check([16_000, 16_000], 50)


def test_dictionary(tmp_path: Path) -> None:
    path = tmp_path / DICTIONARY_NAME
    write_dictionary(path, 3)
    assert path.read_text() == "0 1\n1 1\n2 1\n"
    assert read_dictionary(path) == 3


def test_dictionary_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / DICTIONARY_NAME
    path.write_text("0 7\n2 5\n")
    with pytest.raises(BudgetError, match=r"line 2: expected label `1` and a count, found `2 5`"):
        read_dictionary(path)
    with pytest.raises(BudgetError, match="is not there"):
        read_dictionary(tmp_path / "nowhere")


@given(st.integers(0, 400_000), st.integers(1, 250_000), st.sampled_from([50.0, 100.0]))
def test_a_crop_begins_where_its_audio_does(start: int, samples: int, rate: float) -> None:
    span = label_span(start, samples, rate)
    half_a_label = 0.5 / rate + 1e-9
    assert abs(span.start / rate - start / 16_000) <= half_a_label
    assert abs(len(span) / rate - samples / 16_000) <= half_a_label


def test_crop_labels() -> None:
    labels = np.arange(98)  # 1 s
    assert crop_labels(labels, 3_200, 1_600, 100).tolist() == list(range(20, 30))
    assert crop_labels(labels, 3_250, 1_600, 50).tolist() == list(range(10, 15))
    assert crop_labels(labels, 14_400, 1_600, 100).tolist() == list(range(90, 98))
    assert crop_labels(labels, 3_200, 1_600, 100, frames_wanted=8).tolist() == list(range(20, 28))
