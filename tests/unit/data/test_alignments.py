"""Phones in time: what is written is read, at every frame of whole files and of slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.alignments import CTM, Alignment, Alignments, read_ctm, write_ctm
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError

HELLO = Alignment(["sil", "h", "ə", "l"], np.array([0.0, 0.1, 0.15, 0.3]), 0.5)


def test_at() -> None:
    assert HELLO.at(np.array([0.0, 0.0999, 0.1, 0.29, 0.3, 0.4999, 0.5, 9.0])).tolist() == [0, 0, 1, 2, 3, 3, -1, -1]


@given(st.lists(st.tuples(st.sampled_from("abcdʃ"), st.integers(1, 9_999)), min_size=1, max_size=9), st.integers(0, 3))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, phones: list[tuple[str, int]], others: int
) -> None:
    path = tmp_path_factory.mktemp("ctm") / f"x{CTM}"
    ends = np.cumsum([0, *(length for _, length in phones)]) / 10_000
    alignment = Alignment([name for name, _ in phones], ends[:-1], float(ends[-1]))
    write_ctm(path, {f"utterance-{k}": alignment for k in range(others + 1)})
    found = read_ctm(path)
    assert len(found) == others + 1
    for read in found.values():
        assert read.phones == alignment.phones
        np.testing.assert_allclose([*read.starts, read.end], ends, atol=1e-4)


def test_gaps_are_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.ctm"
    path.write_text("one 1 0.1 0.2 a\none 1 0.5 0.1 b 0.98\n\ntwo A 0 1 c\n")
    found = read_ctm(path)
    assert found["one"].phones == ["a", "sil", "b"]
    np.testing.assert_allclose(found["one"].starts, [0.1, 0.3, 0.5])
    assert found["one"].at(np.array([0.0])).tolist() == [-1]
    assert found["two"] == Alignment(["c"], found["two"].starts, 1.0)


@pytest.mark.parametrize("line", ["one 1 0.1", "one 1 x 0.1 a", "one 1 -1 0.1 a", "one 1 0 -0.1 a"])
def test_refuses_another_format(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.ctm"
    path.write_text(f"one 1 0 0.1 a\n{line}\n")
    with pytest.raises(BudgetError, match=r"a\.ctm`, line 2: expected `UTTERANCE CHANNEL START DURATION PHONE`"):
        read_ctm(path)


def test_refuses_to_go_back_in_time(tmp_path: Path) -> None:
    path = tmp_path / "a.ctm"
    path.write_text("one 1 0 0.2 a\none 1 0.1 0.1 b\n")
    with pytest.raises(BudgetError, match=r"line 2: begins at 0\.1 s, before the end of the phone above"):
        read_ctm(path)


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"alignments `.*none\.ctm` cannot be read"):
        read_ctm(tmp_path / "none.ctm")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Two files of half a second, a slice of the first, and a chain of both."""
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(8_000), 16_000)
    rows = ["a.wav\t8000", "b.wav\t8000", "a.wav\t1600\t3200", "b.wav\t0\t1600\ta.wav\t1600\t800"]
    (tmp_path / "x.tsv").write_text("\n".join([str(tmp_path), *rows]) + "\n")
    return Manifest.read(tmp_path / "x.tsv")


def names(alignments: Alignments, manifest: Manifest, index: int, seconds: list[float]) -> list[str]:
    codes = alignments.codes_at(manifest, index, np.array(seconds))
    return ["" if code < 0 else alignments.phones[code] for code in codes.tolist()]


def test_slices_and_chains_keep_their_phones(tmp_path: Path, manifest: Manifest) -> None:
    write_ctm(tmp_path / f"chapter{CTM}", {"a": HELLO, "b": Alignment(["b"], np.zeros(1), 0.5)})
    alignments = Alignments()
    assert names(alignments, manifest, 0, [0.05, 0.12, 0.2, 0.45]) == ["sil", "h", "ə", "l"]
    assert names(alignments, manifest, 2, [0.02, 0.06, 0.19, 0.3]) == ["h", "ə", "ə", ""], "from 0.1 s on, 0.2 s long"
    assert names(alignments, manifest, 3, [0.05, 0.12, 0.2]) == ["b", "h", ""], "0.1 s of b, then 0.05 s of a"


def test_phones_from_one_file_or_none(tmp_path: Path, manifest: Manifest) -> None:
    assert names(Alignments(), manifest, 0, [0.2]) == [""]
    write_ctm(tmp_path / "all.ctm", {"a": HELLO})
    alignments = Alignments(tmp_path / "all.ctm")
    assert names(alignments, manifest, 0, [0.2]) == ["ə"]
    assert names(alignments, manifest, 1, [0.2]) == [""]
