"""Manifests: what is written is read back, what is wrong is named with its line."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.manifest import Manifest, split
from fairseq_budget.errors import BudgetError

# Names that fairseq's reader (strip, split at tabs) gives back unchanged: no control or lone surrogate code points.
names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30).filter(
    lambda name: name == name.strip()
)
utterances = st.lists(st.tuples(names, st.integers(1, 2**62)), min_size=1, max_size=20)


def manifest_of(root: Path, lengths: list[int]) -> Manifest:
    return Manifest(root, [f"{i}.flac" for i in range(len(lengths))], np.array(lengths, dtype=np.int64))


def written(folder: Path, text: str) -> Path:
    path = folder / "train.tsv"
    path.write_text(text, encoding="utf-8")
    return path


@given(utterances)
def test_round_trip(items: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.tsv")
        frames = np.array([count for _, count in items], dtype=np.int64)
        Manifest(Path(folder), [name for name, _ in items], frames).write(path)
        again = Manifest.read(path)
        assert list(again.paths) == [name for name, _ in items]
        np.testing.assert_array_equal(again.frames, frames)
        assert again.frames.dtype == np.int64
        assert again.root == Path(folder)


@given(utterances)
def test_fairseq_reads_the_same(items: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.tsv")
        Manifest(Path(folder), [name for name, _ in items], np.array([count for _, count in items])).write(path)
        # The reader of fairseq's load_audio, in three lines.
        with open(path) as lines:
            assert lines.readline().strip() == folder
            fields = [line.strip().split("\t") for line in lines]
        assert [(name, int(count)) for name, count in fields] == items


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.tsv")
        path.write_text(f"{folder}\n{text}", encoding="utf-8", errors="surrogatepass")
        try:
            manifest = Manifest.read(path)
        except BudgetError as error:
            assert str(path) in str(error)
        else:
            assert len(manifest) == len(manifest.frames) > 0
            assert (manifest.frames > 0).all()


def test_hours_length_and_paths(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, [16000 * 1800, 16000 * 5400])
    assert manifest.hours == 2.0
    assert len(manifest) == 2
    assert manifest.audio_path(1) == tmp_path / "1.flac"


@pytest.mark.parametrize(
    "line",
    ["a.flac", "a.flac 16000", "a.flac\t", "a.flac\t-5", "a.flac\t0", "a.flac\t1\t2", "\t100", "a\t1e3", "a\t²", ""],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, f"{tmp_path}\nok.flac\t100\n{line}\n")
    with pytest.raises(BudgetError, match=r"train\.tsv:3: expected `path<TAB>samples`"):
        Manifest.read(path)


def test_relative_root(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"train\.tsv:1: the first line must be an absolute folder, but is `here`"):
        Manifest.read(written(tmp_path, "here\na.flac\t1\n"))


def test_root_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"train\.tsv:1: folder `.*gone` does not exist: correct the first line"):
        Manifest.read(written(tmp_path, f"{tmp_path / 'gone'}\na.flac\t1\n"))


def test_no_utterances(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="lists no utterance"):
        Manifest.read(written(tmp_path, f"{tmp_path}\n"))


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"manifest `.*none\.tsv` cannot be read \(No such file or directory\)"):
        Manifest.read(tmp_path / "none.tsv")


def test_binary_manifest(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(f"{tmp_path}\n".encode() + b"\xff\xfe\t100\n")
    with pytest.raises(BudgetError, match="is not UTF-8 text"):
        Manifest.read(path)


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\rb", " a", "a ", ""])
def test_names_that_the_format_cannot_hold(tmp_path: Path, name: str) -> None:
    with pytest.raises(BudgetError, match="has a tab, a line break or outer spaces: rename the file"):
        Manifest(tmp_path, [name], np.array([1])).write(tmp_path / "train.tsv")


def test_name_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="is not UTF-8: rename the file"):
        Manifest(tmp_path, ["\udcff.wav"], np.array([1])).write(tmp_path / "train.tsv")


def test_a_failed_write_leaves_the_old_manifest(tmp_path: Path) -> None:
    path = written(tmp_path, "old")
    with pytest.raises(BudgetError, match="rename the file"):
        Manifest(tmp_path, ["fine", "b\tad"], np.array([1, 1])).write(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["train.tsv"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BudgetError, match=r"cannot be written \(.*\): choose another place"):
        manifest_of(tmp_path, [1]).write(tmp_path / "file" / "train.tsv")


def test_within(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, [16000, 32000, 48000])
    assert list(manifest.within(2, 3).paths) == ["1.flac", "2.flac"]
    with pytest.raises(BudgetError, match=r"lasts 4 to inf s \(the 3 there last 1.00 to 3.00 s\): widen `min_seconds`"):
        manifest.within(4)


@given(st.integers(2, 60), st.floats(0.001, 0.999), st.integers(0, 1000))
def test_split_parts_everything_once(count: int, share: float, seed: int) -> None:
    manifest = manifest_of(Path("/"), list(range(1, count + 1)))
    train, valid = split(manifest, share, seed)
    assert len(train) >= 1
    assert len(valid) == min(max(round(share * count), 1), count - 1)
    assert sorted([*train.frames, *valid.frames]) == list(manifest.frames)
    again = split(manifest, share, seed)[1]
    assert list(again.paths) == list(valid.paths)


def test_split_depends_on_the_seed(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, list(range(1, 101)))
    assert list(split(manifest, 0.1, 0)[1].paths) != list(split(manifest, 0.1, 1)[1].paths)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_split_refuses_impossible_shares(tmp_path: Path, share: float) -> None:
    with pytest.raises(BudgetError, match="`valid_share` must be above 0 and below 1, but is"):
        split(manifest_of(tmp_path, [1, 2]), share, 0)


def test_split_refuses_one_utterance(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="has 1 utterance: a held-out share needs at least 2"):
        split(manifest_of(tmp_path, [1]), 0.5, 0)
