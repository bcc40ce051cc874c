"""Packing shards: every file once, in order, up to the size; what was cut off goes on; what differs is refused."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.corpora import pack as module
from fairseq_budget.corpora.pack import MANIFEST, pack, plan
from fairseq_budget.data.archives.index import index
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError, ConfigError

sizes = st.lists(st.integers(0, 100), max_size=40).map(lambda sizes: [(str(i), size) for i, size in enumerate(sizes)])


def ignore(_: str) -> None:
    """For a packing that nobody watches."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for number in range(6):
        (folder / str(number % 2)).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / str(number % 2) / f"{number}.wav", np.full(4000, number / 10), 16_000)
    return folder


@given(sizes, st.integers(1, 200))
def test_shards_have_every_file_once_and_are_as_full_as_they_may(files: list[tuple[str, int]], limit: int) -> None:
    shards = list(plan(files, limit))
    assert [file for shard in shards for file in shard] == files
    totals = [sum(size for _, size in shard) for shard in shards]
    assert all(total <= limit or len(shard) == 1 for total, shard in zip(totals, shards, strict=True))
    assert all(total + shard[0][1] > limit for total, shard in zip(totals, shards[1:], strict=False))


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_members_are_the_files(source: Path, tmp_path: Path, kind: str) -> None:
    packed = pack(source, tmp_path / "out", 17_000, kind, ignore)
    assert len(packed.archives) == 3
    again = Manifest.read(tmp_path / "out" / MANIFEST)
    assert [float(again.read_audio(index)[0]) for index in range(6)] == pytest.approx([0, 0.2, 0.4, 0.1, 0.3, 0.5], abs=1e-4)
    assert again.digest == packed.digest


def test_a_packing_that_was_cut_off_goes_on(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    pack(source, whole, 17_000, "tar", ignore)
    writer = module._write_tar
    calls = iter([True, False])

    def cut_off(path: Path, *rest: object) -> None:
        writer(path, *rest)  # type: ignore[arg-type]
        if not next(calls):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_write_tar", cut_off)
        pack(source, out, 17_000, "tar", ignore)
    (out / ".shard-000001.tar.1.tmp").write_bytes(b"of a process that was killed")
    assert not (out / MANIFEST).exists()
    first = (out / "shard-000000.tar").stat().st_mtime_ns
    heard: list[str] = []
    pack(source, out, 17_000, "tar", heard.append)
    assert heard == ["shard-000000.tar: there already", "shard-000001.tar: 2 files", "shard-000002.tar: 2 files"]
    assert (out / "shard-000000.tar").stat().st_mtime_ns == first
    assert not list(out.glob(".shard*"))
    for shard in sorted(whole.glob("*.tar")):
        assert shard.read_bytes() == (out / shard.name).read_bytes()
    assert (out / MANIFEST).read_text().splitlines()[1:] == (whole / MANIFEST).read_text().splitlines()[1:]


def test_other_content_is_refused(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pack(source, out, 17_000, "tar", ignore)
    with pytest.raises(BudgetError, match=r"shard-000000\.tar` holds other files than it would now"):
        pack(source, out, 9_000, "tar", ignore)
    with pytest.raises(BudgetError, match=r"shard-000000\.tar` is no shard of this packing"):
        pack(source, out, 17_000, "zip", ignore)
    with tarfile.open(out / "shard-000003.tar", "w"):
        pass
    with pytest.raises(BudgetError, match=r"shard-000003\.tar` is no shard of this packing"):
        pack(source, out, 17_000, "tar", ignore)


def test_settings_that_make_no_sense(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="lies in"):
        pack(source, source / "out", 17_000, "tar", ignore)
    with pytest.raises(BudgetError, match="does not exist"):
        pack(tmp_path / "nothing", tmp_path / "out", 17_000, "tar", ignore)
    with pytest.raises(ConfigError, match="`--kind` must be one of tar, zip"):
        pack(source, tmp_path / "out", 17_000, "gz", ignore)


def test_member_names_are_those_below_the_folder(source: Path, tmp_path: Path) -> None:
    pack(source, tmp_path / "out", 10**6, "tar", ignore)
    assert [member.name for member in index(tmp_path / "out" / "shard-000000.tar").members][:3] == [
        "0/0.wav",
        "0/2.wav",
        "0/4.wav",
    ]
