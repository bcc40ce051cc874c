"""The binary copy of a label file: made once, never another text's."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data import copies, label_binary
from fairseq_budget.data.copies import HEADER
from fairseq_budget.data.label_binary import binary_path, open_labels
from fairseq_budget.data.labels import write_labels
from fairseq_budget.errors import BudgetError


@pytest.fixture
def km(tmp_path: Path) -> Path:
    path = tmp_path / "train.km"
    write_labels(path, [np.array([3, 1, 4]), np.array([], dtype=np.int64), np.array([1, 5])])
    return path


def rows(path: Path) -> list[list[int]]:
    labels = open_labels(path)
    return [labels[i].tolist() for i in range(len(labels))]


def no_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the text is not read as labels."""

    def refuse(text: Path) -> None:
        raise AssertionError(f"{text} was converted")

    monkeypatch.setattr(label_binary, "_convert", refuse)


def test_written_with_the_text(km: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert km.read_text() == "3 1 4\n\n1 5\n"
    no_conversion(monkeypatch)
    assert rows(km) == [[3, 1, 4], [], [1, 5]]


@given(st.lists(st.lists(st.integers(0, 65_535), max_size=9), min_size=1, max_size=9))
def test_made_from_the_text_it_is_the_same(tmp_path_factory: pytest.TempPathFactory, labels: list[list[int]]) -> None:
    path = tmp_path_factory.mktemp("labels") / "x.km"
    write_labels(path, (np.array(row, dtype=np.int64) for row in labels))
    written = binary_path(path).read_bytes()
    binary_path(path).unlink()
    assert rows(path) == labels
    assert binary_path(path).read_bytes() == written


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign"])
def test_a_damaged_copy_is_made_again(km: Path, damage: str) -> None:
    binary = binary_path(km)
    content = binary.read_bytes()
    binary.write_bytes({"cut": content[:-1], "empty": b"", "foreign": b"x" * len(content)}[damage])
    assert rows(km) == [[3, 1, 4], [], [1, 5]]
    assert binary.read_bytes() == content


def test_an_edited_text_is_read_again(km: Path) -> None:
    before = open_labels(km).sha256
    told = km.stat()
    km.write_text("3 1 4\n\n1 6\n")
    os.utime(km, ns=(told.st_atime_ns, told.st_mtime_ns + 1))
    assert rows(km)[2] == [1, 6]
    assert open_labels(km).sha256 != before


def test_a_text_that_was_only_copied_is_hashed_once(km: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(km, ns=(0, 1_000))
    no_conversion(monkeypatch)
    assert rows(km) == [[3, 1, 4], [], [1, 5]]
    monkeypatch.setattr(copies.hashlib, "file_digest", None)
    assert rows(km) == [[3, 1, 4], [], [1, 5]]


def test_no_copy_can_be_written(km: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary_path(km).unlink()
    binary_path(km).mkdir()
    with pytest.raises(BudgetError, match=r"train\.km\.bin`, a copy of the labels .* cannot be written .*`task.label_dir`"):
        open_labels(km)


def test_labels_without_a_label(tmp_path: Path) -> None:
    path = tmp_path / "x.km"
    path.write_text("\n\n")
    assert rows(path) == [[], []]


def test_labels_that_changed_on_the_disk_are_made_again_when_they_are_read(
    km: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Opening a large copy doesn't read all of its numbers; reading some compares them with their checksum."""
    binary = binary_path(km)
    content = binary.read_bytes()
    place = HEADER.itemsize + 2 * 3
    binary.write_bytes(content[:place] + b"\7" + content[place + 1 :])
    labels = open_labels(km)
    assert labels[0].tolist() == [3, 1, 4] and not caplog.text
    assert labels[2].tolist() == [1, 5]
    assert "is damaged, and made again from the text" in caplog.text
    assert binary.read_bytes() == content
