"""Files with bytes changed at random: refused, or read as what they were; never as other data."""

from __future__ import annotations

import functools
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.data.arrays import read_sealed, write_sealed
from fairseq_budget.data.label_binary import binary_path, open_labels
from fairseq_budget.data.label_record import RECORD_NAME, LabelRecord, read_record
from fairseq_budget.data.labels import write_labels
from fairseq_budget.errors import BudgetError
from fairseq_budget.labels import codebook
from fairseq_budget.records.base import FILE
from fairseq_budget.records.pretraining import PretrainingRecord
from tests import hostile
from tests.unit.records.test_base import RUN

Changed = Callable[[bytes], bytes]
FEW, MANY = 60, 2_500
CENTRES = np.random.default_rng(0).normal(size=(5, 4)).astype("<f4")
LABELS = [np.array([3, 1, 4, 1, 5]), np.array([], dtype=np.int64), np.array([9, 2, 6])]


@st.composite
def changes(draw: st.DrawFn) -> Changed:
    """Some bytes changed, some left out, or some put in; places are shares of the file."""
    places = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3))
    kind, value = draw(st.sampled_from(["flip", "flip", "flip", "cut", "put", "end"])), draw(st.integers(1, 255))

    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        for share in places:
            place = int(share * len(changed))
            if kind == "flip" and changed:
                changed[place] ^= value
            elif kind == "cut":
                del changed[place : place + value]
            elif kind == "put":
                changed[place:place] = bytes([value])
            elif kind == "end":
                del changed[place:]
        return bytes(changed)

    return change


@functools.cache
def checkpoint() -> bytes:
    """One of the smallest model that has everything."""
    buffer = io.BytesIO()
    torch.save(hostile.honest(), buffer)
    return buffer.getvalue()


def read_checkpoint(folder: Path, change: Changed) -> bool:
    (folder / "c.pt").write_bytes(change(checkpoint()))
    found = load_pretrained(folder / "c.pt")
    expected = hostile.honest()
    assert all(torch.equal(found.model.state_dict()[name], value) for name, value in expected["model"].items())
    assert {**vars(found.config)}.items() <= expected["cfg"]["model"].items()
    return True


def read_run(folder: Path, change: Changed) -> bool:
    path = PretrainingRecord.of(**RUN, command="fairseq-hydra-train").write(folder / FILE)
    expected = PretrainingRecord.read(path)
    path.write_bytes(change(path.read_bytes()))
    found = PretrainingRecord.read(path)
    for name in type(expected).model_fields:
        assert getattr(found, name) == getattr(expected, name), name
    return True


def read_label_record(folder: Path, change: Changed) -> bool:
    content = {"label_rate": 50.0, "clusters": 5, "fit_split": "train", "kmeans": {"centres_sha256": "abc"}, "splits": {}}
    LabelRecord(folder / RECORD_NAME, content).write()
    path = folder / RECORD_NAME
    path.write_bytes(change(path.read_bytes()))
    found = read_record(folder)
    assert found is not None
    assert {name: found.content.get(name) for name in content} == content
    return True


def read_codebook(folder: Path, change: Changed) -> bool:
    """Its record has its hash: numbers that differ have another one, and the codebook is made again."""
    expected = codebook.Codebook(CENTRES, torch.device("cpu")).sha256
    buffer = io.BytesIO()
    np.save(buffer, CENTRES)
    (folder / codebook.CENTRES_NAME).write_bytes(change(buffer.getvalue()))
    found = codebook.load(folder, torch.device("cpu"))
    assert found is not None
    if found.sha256 != expected:
        raise BudgetError("another codebook")
    return True


def read_part(folder: Path, change: Changed) -> bool:
    buffer = io.BytesIO()
    write_sealed(buffer, np.arange(7, dtype="<u2"))
    (folder / "p.npy").write_bytes(change(buffer.getvalue()))
    assert read_sealed(folder / "p.npy").tolist() == list(range(7))
    return True


def read_labels(folder: Path, change: Changed) -> bool:
    """The binary copy of labels: the text is what counts."""
    text = folder / "train.km"
    write_labels(text, iter(LABELS))
    path, told = binary_path(text), text.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(text, ns=(told.st_atime_ns, told.st_mtime_ns))
    found = open_labels(text)
    assert [row.tolist() for row in (found[index] for index in range(len(found)))] == [row.tolist() for row in LABELS]
    return True


READERS = {
    "checkpoint": read_checkpoint,
    "record": read_run,
    "record of labels": read_label_record,
    "codebook": read_codebook,
    "part of labels": read_part,
    "binary of labels": read_labels,
}


def never_other_data(reader: Callable[[Path, Changed], bool], examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(changes())
    def check(change: Changed) -> None:
        with TemporaryDirectory() as folder:
            try:
                reader(Path(folder), change)
            except BudgetError as error:
                assert len(str(error).splitlines()) == 1

    check()


@pytest.mark.parametrize("name", list(READERS))
def test_changed_files_are_never_read_as_other_data(name: str) -> None:
    never_other_data(READERS[name], FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(READERS))
def test_changed_files_are_never_read_as_other_data_in_many_cases(name: str) -> None:
    """10,000 cases and more, all files together."""
    never_other_data(READERS[name], MANY)


def test_a_damaged_digest_is_no_missing_one(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="changed since it was written"):
        read_label_record(
            tmp_path, lambda text: text.replace(b"content_sha256", b"contint_sha256").replace(b"50.0", b"51.0")
        )


@pytest.mark.parametrize("name", list(READERS))
def test_unchanged_files_are_read(name: str, tmp_path: Path) -> None:
    assert READERS[name](tmp_path, lambda content: content)


def test_the_comparison_would_see_other_data(tmp_path: Path) -> None:
    """A weight changed together with its checksum."""

    def change(content: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = max(members, key=lambda member: len(members[member]))
        hostile.rewrite(tmp_path / "changed.pt", {**members, name: bytes(len(members[name]))})
        return (tmp_path / "changed.pt").read_bytes()

    with pytest.raises(AssertionError):
        read_checkpoint(tmp_path, change)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"label_rate": 1e999}', '{"label_rate": "x"}', "[1]", "nul", '{"a":' * 9_000, "9" * 5_000, '"\\ud800"'],
)
def test_json_that_is_no_record(tmp_path: Path, text: str) -> None:
    for name, read in (
        (RECORD_NAME, lambda: read_record(tmp_path)),
        (FILE, lambda: PretrainingRecord.read(tmp_path / FILE)),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(BudgetError, match=name):
            read()


@pytest.mark.parametrize("kind", ["objects", "a terabyte", "archive", "text", "words", "nothing", "flat"])
def test_arrays_that_are_no_codebook(tmp_path: Path, kind: str) -> None:
    path = tmp_path / codebook.CENTRES_NAME
    buffer: Any = io.BytesIO()
    if kind == "objects":
        np.save(buffer, np.array([hostile.Calls(hostile.touch, str(tmp_path / "marker"))], dtype=object))
    elif kind == "a terabyte":
        np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (2**38, 1)})
    elif kind == "archive":
        np.savez_compressed(buffer, a=np.zeros(2**20))
    else:
        content = {"words": np.array(["a", "b"]), "flat": CENTRES.ravel(), "nothing": np.zeros((0, 4), "<f4")}
        np.save(buffer, content[kind]) if kind in content else buffer.write(json.dumps([1]).encode())
    path.write_bytes(buffer.getvalue())
    with pytest.raises(BudgetError, match=r"codebook\.npy"):
        codebook.load(tmp_path, torch.device("cpu"))
    assert not (tmp_path / "marker").exists()
