"""Manifests: what is written is read back, what is wrong is named with its line, audio is cut and joined."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.manifest import Manifest, Piece
from fairseq_budget.data.rows import Part, write_row
from fairseq_budget.errors import BudgetError

# Names that fairseq's reader (strip, split at tabs) gives back unchanged: no control or lone surrogate code points.
names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30).filter(
    lambda name: name == name.strip() and not name.startswith("/") and ".." not in name.split("/")
)
slices = st.builds(Part, names, st.integers(0, 10**15 - 1), st.integers(1, 10**15 - 1), st.just(False))
rows = st.one_of(
    st.lists(slices, min_size=1, max_size=4),
    st.builds(lambda name, frames: [Part(name, 0, frames, True)], names, st.integers(1, 10**15 - 1)),
)
utterances = st.lists(st.tuples(names, st.integers(1, 10**15 - 1)), min_size=1, max_size=20)


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


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.flac", "a/../../b.flac", "..", "a\0.flac"])
@pytest.mark.parametrize("row", ["{}\t100", "a.flac\t0\t100\t{}\t0\t100"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, row: str) -> None:
    path = written(tmp_path, f"{tmp_path}\na.flac\t100\n{row.format(name)}\n")
    with pytest.raises(BudgetError, match=rf"`{path}`, line 3: a name must lead to a file below the folder in line 1"):
        Manifest.read(path)
    with pytest.raises(BudgetError, match="must lead to a file below"):
        Manifest(tmp_path, [name], np.array([100]))


@pytest.mark.parametrize("name", ["..a.flac", "a..flac", "a/..b/c.flac", "a.flac.."])
def test_names_with_dots_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    assert Manifest.read(written(tmp_path, f"{tmp_path}\n{name}\t100\n")).paths == [name]


def test_hours_length_and_paths(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, [16000 * 1800, 16000 * 5400])
    assert manifest.hours == 2.0
    assert len(manifest) == 2
    assert manifest.audio_path(1) == tmp_path / "1.flac"


@given(st.lists(rows, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_slices_and_chains_are_read_as_they_are_written(items: list[list[Part]], ending: str, last: bool) -> None:
    """With either kind of line end, and whether or not the last line has one."""
    with tempfile.TemporaryDirectory() as folder:
        text = "".join([f"{folder}\n", *map(write_row, items)]).replace("\n", ending)
        path = Path(folder, "train.tsv")
        path.write_bytes((text if last else text.removesuffix(ending)).encode())
        manifest = Manifest.read(path)
        assert [manifest.parts(index) for index in range(len(manifest))] == items
        assert manifest.frames.tolist() == [sum(part.frames for part in parts) for parts in items]
        assert list(manifest.names()) == [(index, part.name) for index, parts in enumerate(items) for part in parts]
        again = Path(folder, "again.tsv")
        manifest.write(again)
        assert again.read_bytes() == text.replace("\r\n", "\n").encode()


def test_rows_beyond_one_stretch_of_scanning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is indexed some megabytes at a time; where it is cut must not show."""
    lengths = list(range(1, 200))
    manifest_of(tmp_path, lengths).write(tmp_path / "train.tsv")
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr("fairseq_budget.data.rows.SCAN_BYTES", size)
        manifest = Manifest.read(tmp_path / "train.tsv")
        assert manifest.frames.tolist() == lengths
        assert manifest.paths == [f"{i}.flac" for i in range(len(lengths))]
    (tmp_path / "train.tsv").write_text((tmp_path / "train.tsv").read_text() + "bad\n")
    with pytest.raises(BudgetError, match="line 201: expected"):
        Manifest.read(tmp_path / "train.tsv")


def test_where_it_comes_from_stands_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    Manifest(tmp_path, ["a.flac", "b.flac"], np.array([5, 70])).write(
        path, {"made by": "a tool", "seed": 3, "note": "two\nlines"}
    )
    assert path.read_text() == f"{tmp_path}\na.flac\t5\nb.flac\t70\n", "as stock fairseq has it"
    manifest = Manifest.read(path)
    assert manifest.header == {"made by": "a tool", "seed": "3", "note": "two lines"}
    assert pickle.loads(pickle.dumps(manifest)).header == manifest.header
    manifest.subset([1]).write(tmp_path / "again.tsv")
    assert Manifest.read(tmp_path / "again.tsv").header == {}
    beside = tmp_path / "train.tsv.json"
    beside.write_text(beside.read_text().replace("a tool", "nobody"))
    with pytest.raises(
        BudgetError, match=rf"`{beside}`, which tells where `{path}` comes from, can't be read .*: delete it"
    ):
        _ = Manifest.read(path).header
    manifest.write(path)
    assert not beside.exists()
    assert Manifest.read(path).header == {}


def test_of_other_rows_nothing_is_told(tmp_path: Path) -> None:
    """A tool that knows nothing of the file beside it may write the manifest again."""
    path = tmp_path / "train.tsv"
    manifest_of(tmp_path, [10, 20]).write(path, {"made by": "us"})
    moved = path.read_text().replace(str(tmp_path), str(tmp_path.parent))
    path.write_text(moved)
    assert Manifest.read(path).header == {"made by": "us"}, "the folder may move"
    path.write_text(moved.replace("10", "11"))
    assert Manifest.read(path).header == {}


def test_a_header_inside_is_still_read(tmp_path: Path) -> None:
    names = ["#a.flac", "b.flac"]
    path = written(tmp_path, f"{tmp_path}\n# made by: a tool\n# seed: 3\n#a.flac\t5\nb.flac\t70\n")
    manifest = Manifest.read(path)
    assert manifest.header == {"made by": "a tool", "seed": "3"}
    assert manifest.paths == names, "a name may begin with the header's mark"
    assert manifest.where(1) == f"`{path}`, line 5"
    assert manifest.first_line == 4
    assert Manifest.read(written(tmp_path, f"{tmp_path}\nb.flac\t1\n")).header == {}


def test_a_subset_knows_its_lines(tmp_path: Path) -> None:
    manifest_of(tmp_path, [10, 20, 30]).write(tmp_path / "train.tsv", {"seed": 0})
    part = Manifest.read(tmp_path / "train.tsv").subset([2, 0])
    assert part.paths == ["2.flac", "0.flac"]
    assert part.frames.tolist() == [30, 10]
    assert part.where(0) == f"`{tmp_path}/train.tsv`, line 4"
    assert manifest_of(tmp_path, [10]).where(0) == f"utterance 1 below `{tmp_path}`"


def test_a_copy_for_another_process_maps_the_file_again(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    manifest_of(tmp_path, list(range(1, 2001))).write(path)
    manifest = Manifest.read(path)
    message = pickle.dumps(manifest.subset([7]))
    assert len(message) < 2000
    assert pickle.loads(message).paths == ["7.flac"]
    assert pickle.loads(pickle.dumps(manifest_of(tmp_path, [3]))).paths == ["0.flac"], "not from a file"
    path.write_text(f"{tmp_path}\nother.flac\t1\n")
    with pytest.raises(BudgetError, match="was changed while it was in use: start again"):
        pickle.loads(message)


@pytest.fixture
def audio(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """ramp.wav, whose sample t is t / 2**15, and its samples; slow.wav at 8 kHz."""
    ramp = (np.arange(16_000) / 2**15).astype(np.float32)
    soundfile.write(tmp_path / "ramp.wav", ramp, 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", np.sin(np.arange(8_000) / 20), 8_000, subtype="FLOAT")
    return tmp_path, ramp


def test_audio_is_cut_and_joined(audio: tuple[Path, np.ndarray]) -> None:
    folder, ramp = audio
    text = "ramp.wav\t16000\nramp.wav\t100\t50\nramp.wav\t0\t10\tslow.wav\t40\t30\tramp.wav\t9\t1\n"
    manifest = Manifest.read(written(folder, f"{folder}\n{text}"))
    assert manifest.pieces(2)[1] == Piece(folder / "slow.wav", 40, 30)
    np.testing.assert_array_equal(manifest.read_audio(0), ramp)
    np.testing.assert_array_equal(manifest.read_audio(1), ramp[100:150])
    whole = Manifest(folder, ["slow.wav"], np.array([16_000])).read_audio(0)
    np.testing.assert_array_equal(manifest.read_audio(2), np.concatenate([ramp[:10], whole[40:70], ramp[9:10]]))
    assert manifest.read_audio(2).dtype == np.float32


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("ramp.wav\t15999", "has 16000 samples at 16 kHz, but the manifest says 15999"),
        ("ramp.wav\t15990\t20", "samples 15990..16010 of .* were asked for, but it has 16000"),
        ("none.wav\t5", "does not exist"),
    ],
)
def test_audio_that_is_not_as_its_row_says(audio: tuple[Path, np.ndarray], row: str, problem: str) -> None:
    folder, _ = audio
    manifest = Manifest.read(written(folder, f"{folder}\nramp.wav\t16000\n{row}\n"))
    with pytest.raises(BudgetError, match=rf"train\.tsv`, line 3: .*{problem}"):
        manifest.read_audio(1)


@pytest.mark.parametrize(
    "line",
    [
        "a.flac",
        "a.flac 16000",
        "a.flac\t",
        "a.flac\t-5",
        "a.flac\t0",
        "a.flac\t1e3",
        "a.flac\t²",
        "a.flac\t1000000000000000",
        "a.flac\t1\t0",
        "a.flac\t-1\t5",
        "a.flac\t1\t2\tb.flac",
        "a.flac\t1\t2\tb.flac\t5",
        "a.flac\t1\t2\t\t1\t5",
        "\t100",
        " a.flac\t100",
        "a.flac \t100",
        "# a header line after rows",
        "",
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, f"{tmp_path}\nok.flac\t100\n{line}\n")
    with pytest.raises(BudgetError, match=r"train\.tsv`, line 3: expected `path<TAB>samples`"):
        Manifest.read(path)


def test_relative_root(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"train\.tsv`, line 1: expected an absolute folder, but got `here`"):
        Manifest.read(written(tmp_path, "here\na.flac\t1\n"))


def test_root_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"train\.tsv`, line 1: folder `.*gone` does not exist: correct the line"):
        Manifest.read(written(tmp_path, f"{tmp_path / 'gone'}\na.flac\t1\n"))


def test_empty_manifest(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="is empty: make it again"):
        Manifest.read(written(tmp_path, ""))


def test_root_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_bytes(b"/\xff\na.flac\t1\n")
    with pytest.raises(BudgetError, match=r"is not UTF-8 text \(line 1\)"):
        Manifest.read(tmp_path / "train.tsv")


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
