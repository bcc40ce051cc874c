"""Archives that were made to do harm, and archives that are broken."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.corpora.unpack import unpack
from fairseq_budget.errors import BudgetError
from tests.unit.corpora.archive_server import archive


def written(folder: Path, content: bytes) -> Path:
    path = folder / "a.tar.gz"
    path.write_bytes(content)
    return path


def special(name: str, kind: bytes, target: str = "") -> dict[str, tarfile.TarInfo]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return {name: member}


def test_files_and_folders_at_their_places(tmp_path: Path) -> None:
    folder = special("LibriSpeech/empty", tarfile.DIRTYPE)
    seen: list[int] = []
    path = written(tmp_path, archive({"LibriSpeech/a/1.flac": b"one", "LibriSpeech/README.TXT": b"two"} | folder))
    unpack(path, tmp_path / "out", seen.append)
    assert (tmp_path / "out/LibriSpeech/a/1.flac").read_bytes() == b"one"
    assert (tmp_path / "out/LibriSpeech/README.TXT").read_bytes() == b"two"
    assert (tmp_path / "out/LibriSpeech/empty").is_dir()
    assert 0 < seen[-1] <= path.stat().st_size


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../outside": b"x"}, r"holds `\.\./outside`, which leads out of the folder"),
        ({"a/../../outside": b"x"}, r"holds `a/\.\./\.\./outside`, which leads out of the folder"),
        ({"/tmp/outside-by-absolute-path": b"x"}, r"holds `/tmp/outside-by-absolute-path`, which leads out"),
        ({"a\\..\\outside": b"x"}, r"holds `a\\\.\.\\outside`, which leads out"),
        (special("link", tarfile.SYMTYPE, "/etc"), "holds a link, `link`"),
        (special("link", tarfile.SYMTYPE, "inside"), "holds a link, `link`"),
        (special("link", tarfile.LNKTYPE, "../outside"), "holds a link, `link`"),
        (special("null", tarfile.CHRTYPE), "holds a device, `null`"),
        (special("disk", tarfile.BLKTYPE), "holds a device, `disk`"),
        (special("pipe", tarfile.FIFOTYPE), "holds a device, `pipe`"),
    ],
)
def test_nothing_lands_outside(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    path = written(tmp_path, archive({"good": b"x"} | members))
    with pytest.raises(BudgetError, match=rf"a\.tar\.gz` {message}.*don't trust this archive"):
        unpack(path, tmp_path / "deep" / "out", lambda _: None)
    assert {found.name for found in tmp_path.rglob("*")} == {"a.tar.gz", "deep", "out", "good"}
    assert not Path("/tmp/outside-by-absolute-path").exists()


def test_owners_and_dangerous_permissions_are_not_kept(tmp_path: Path) -> None:
    member = tarfile.TarInfo("run")
    member.mode, member.uid = 0o6777, 12345
    unpack(written(tmp_path, archive({"run": member})), tmp_path / "out", lambda _: None)
    status = (tmp_path / "out/run").stat()
    assert status.st_mode & 0o6022 == 0
    assert status.st_uid != 12345


@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BudgetError, match=r"a\.tar\.gz` is damaged \(.+\): delete it"):
        unpack(written(tmp_path, content), tmp_path / "out", lambda _: None)


@pytest.mark.parametrize("damage", ["cut", "zeros", "one bit", "last bytes"])
def test_a_damaged_archive(tmp_path: Path, damage: str) -> None:
    content = bytearray(archive({f"{i}": np.random.default_rng(i).bytes(5000) for i in range(20)}))
    middle = len(content) // 2
    if damage == "cut":
        del content[middle:]
    elif damage == "zeros":
        content[middle:] = bytes(len(content) - middle)
    elif damage == "one bit":
        content[middle] ^= 1
    else:
        del content[-4:]
    with pytest.raises(BudgetError, match=r"a\.tar\.gz` is damaged \(.+\): delete it"):
        unpack(written(tmp_path, bytes(content)), tmp_path / "out", lambda _: None)


def test_no_place_to_unpack_to(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BudgetError, match=r"can't be unpacked into `.*out` \(.+\)"):
        unpack(written(tmp_path, archive({"a": b"x"})), tmp_path / "out", lambda _: None)
