"""The index beside a large manifest: the same rows as without it, never those of another text, shared by processes."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data import row_index, rows
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.row_index import COPY
from fairseq_budget.data.rows import write_row
from fairseq_budget.errors import BudgetError
from tests.unit.data.test_manifest import rows as some_rows


@pytest.fixture(autouse=True)
def every_manifest_is_large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(row_index, "LEAST_BYTES", 0)
    monkeypatch.setattr(rows, "SCAN_BYTES", 64)
    yield


def without_index(path: Path) -> Manifest:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_index, "LEAST_BYTES", 1 << 40)
        return Manifest.read(path)


def same(one: Manifest, other: Manifest) -> bool:
    return (
        [one.parts(index) for index in range(len(one))] == [other.parts(index) for index in range(len(other))]
        and one.frames.tolist() == other.frames.tolist()
        and one.digest == other.digest
        and list(one.rows()) == list(other.rows())
    )


@given(st.lists(some_rows, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_rows_are_those_of_the_text(items: list, ending: str, last: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = "".join([f"{folder}\n# made by: hand\n", *map(write_row, items)]).replace("\n", ending)
        path = Path(folder, "train.tsv")
        path.write_bytes((text if last else text.removesuffix(ending)).encode())
        plain = without_index(path)
        assert not COPY.path(path).exists()
        for _ in range(2):
            manifest = Manifest.read(path)
            assert same(manifest, plain) and manifest.frames.dtype == np.int64
            assert same(pickle.loads(pickle.dumps(manifest)), plain)
        assert same(manifest.subset(range(0, len(plain), 2)), plain.subset(range(0, len(plain), 2)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "train.tsv"
    path.write_text("".join([f"{tmp_path}\n", *(f"{number}.flac\t{number + 1}\n" for number in range(50))]))
    Manifest.read(path)
    return path


def test_it_is_made_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_index, "indexed", None)
    assert len(Manifest.read(path)) == 50
    os.utime(path, (1, 1))
    assert len(Manifest.read(path)) == 50, "the same text at another time"


def test_another_text_has_another_index(path: Path) -> None:
    path.write_text(path.read_text().replace("3.flac\t4\n", "3.flac\t5\n", 1))
    os.utime(path, (1, 1))
    assert Manifest.read(path).frames[3] == 5
    path.write_text(path.read_text() + "no row\n")
    with pytest.raises(BudgetError, match="line 52: expected"):
        Manifest.read(path)


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_index_is_made_again(place: float, value: int, cut: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.tsv")
        path.write_text(f"{folder}\na.flac\t7\nb.flac\t8\n")
        plain = without_index(path)
        Manifest.read(path)
        content = bytearray(COPY.path(path).read_bytes())
        content[int(place * len(content))] ^= value
        COPY.path(path).write_bytes(content[: int(place * len(content))] if cut else content)
        assert same(Manifest.read(path), plain)


def test_where_it_cannot_be_written_memory_does(path: Path) -> None:
    COPY.path(path).unlink()
    COPY.path(path).mkdir()
    assert same(Manifest.read(path), without_index(path))


def test_processes_share_it(path: Path) -> None:
    manifest = Manifest.read(path)
    assert len(pickle.dumps(manifest)) < 600, "no numbers of each utterance"
    again = pickle.loads(pickle.dumps(manifest))
    assert isinstance(again.frames.base.base, np.memmap)
    COPY.path(path).unlink()
    with pytest.raises(BudgetError, match=r"train\.tsv` was changed while it was in use"):
        pickle.loads(pickle.dumps(manifest))
