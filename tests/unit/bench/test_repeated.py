"""A large corpus out of a small one."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.bench import repeated
from fairseq_budget.bench.repeated import check_labels_fit, repeat_labels, repeat_manifest
from fairseq_budget.data.labels import LabelFile, write_dictionary, write_labels
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError

LABELS = [np.array([index, 1, 2]) for index in range(3)]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "train.tsv").write_text(f"{tmp_path}\na.flac\t480\nb.flac\t481\nc.flac\t482\n")
    write_labels(tmp_path / "train.km", LABELS)
    write_dictionary(tmp_path / "dict.km.txt", 3)
    return tmp_path


@pytest.mark.parametrize("number", [1, 3, 7, 9])
def test_rows_and_labels_are_repeated_together(data: Path, number: int) -> None:
    many = data / "many"
    repeat_manifest(data, many, number)
    repeat_labels(data, many, number)
    expected = max(number, 3)
    manifest, labels = Manifest.read(many / "train.tsv"), LabelFile(many / "train.km", 3)
    assert len(manifest) == len(labels) == expected
    for index in range(expected):
        assert manifest.frames[index] == 480 + index % 3 and np.array_equal(labels[index], LABELS[index % 3])


def test_what_lacks_labels_or_room_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_labels_fit(data, 1_000)
    size = sum((data / f"train.km{ending}").stat().st_size for ending in ("", ".bin")) / 3
    monkeypatch.setattr(repeated.shutil, "disk_usage", lambda _: Usage(0, 0, int(2_500 * size)))
    check_labels_fit(data, 2_499)
    with pytest.raises(BudgetError, match=r"labels of 3,000 utterances .* or take `--utterances 2000` or less"):
        check_labels_fit(data, 3_000)
    write_labels(data / "train.km", LABELS[:2])
    with pytest.raises(BudgetError, match="2 lines for 3 rows of the manifest"):
        check_labels_fit(data, 10)
    (data / "dict.km.txt").unlink()
    with pytest.raises(BudgetError, match="`fairseq-budget labels`"):
        check_labels_fit(data, 10)
