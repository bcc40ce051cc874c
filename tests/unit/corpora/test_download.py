"""Downloads from a server that cuts off, doesn't know ranges, or has something else."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.corpora.download import download
from fairseq_budget.errors import BudgetError
from tests.unit.corpora.archive_server import ArchiveServer, serving

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
NO_PAUSES = (0.0, 0.0)


def fetch(
    server: ArchiveServer, folder: Path, size: int = len(CONTENT), md5: str = MD5, seen: list[int] | None = None
) -> Path:
    path = folder / "a.tar.gz"
    seen = [] if seen is None else seen
    download(f"{server.url}/a.tar.gz", path, size, md5, seen.append, NO_PAUSES)
    return path


def test_a_file_and_its_progress(tmp_path: Path) -> None:
    seen: list[int] = []
    with serving({"a.tar.gz": CONTENT}) as server:
        assert fetch(server, tmp_path, seen=seen).read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    with serving({"a.tar.gz": CONTENT}) as server:
        fetch(server, tmp_path)
        fetch(server, tmp_path)
        assert len(server.ranges) == 1


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_cut_connection_is_taken_up_again(tmp_path: Path, tells_length: bool) -> None:
    with serving({"a.tar.gz": CONTENT}, cuts=[1_000_000, 500_000], tells_length=tells_length) as server:
        assert fetch(server, tmp_path).read_bytes() == CONTENT
        assert server.ranges == [None, "bytes=1000000-", "bytes=1500000-"]


def test_tries_count_only_while_nothing_comes(tmp_path: Path) -> None:
    """More cuts than pauses, each after something new."""
    with serving({"a.tar.gz": CONTENT}, cuts=[200_000] * 9) as server:
        assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_later_call_goes_on_where_the_first_gave_up(tmp_path: Path) -> None:
    with serving({"a.tar.gz": CONTENT}, cuts=[1_000_000, 0, 0]) as server:
        with pytest.raises(BudgetError, match=r"was cut off after 1,000,000 of 3,000,000 bytes .* same command again"):
            fetch(server, tmp_path)
        assert (tmp_path / "a.tar.gz.part").stat().st_size == 1_000_000
        assert fetch(server, tmp_path).read_bytes() == CONTENT
        assert server.ranges[-1] == "bytes=1000000-"


def test_a_server_without_ranges_begins_again(tmp_path: Path) -> None:
    with serving({"a.tar.gz": CONTENT}, knows_ranges=False, cuts=[2_000_000, 1_000_000]) as server:
        assert fetch(server, tmp_path).read_bytes() == CONTENT
        assert server.ranges == [None, "bytes=2000000-", "bytes=1000000-"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_answer_that_may_pass_is_tried_again(tmp_path: Path, status: int) -> None:
    with serving({"a.tar.gz": CONTENT}, statuses=[status, status]) as server:
        assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_stays_ill(tmp_path: Path) -> None:
    with (
        serving({"a.tar.gz": CONTENT}, statuses=[503] * 5) as server,
        pytest.raises(BudgetError, match=r"was cut off after 0 of .* \(the server answers 503\)"),
    ):
        fetch(server, tmp_path)


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    with (
        serving({}) as server,
        pytest.raises(BudgetError, match=r"a\.tar\.gz` answers 404 \(Not Found\): check `--url`"),
    ):
        fetch(server, tmp_path)


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = ArchiveServer({}, url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(BudgetError, match=r"can't be reached \(.*refused\): .* copy the archive to `.*a\.tar\.gz`"):
            fetch(server, tmp_path)
        (tmp_path / "a.tar.gz.part").write_bytes(CONTENT[:5])
        with pytest.raises(BudgetError, match="was cut off after 5 of"):
            fetch(server, tmp_path)


def test_a_wrong_checksum_is_deleted(tmp_path: Path) -> None:
    with serving({"a.tar.gz": CONTENT[::-1]}) as server:
        with pytest.raises(BudgetError, match=rf"has the MD5 checksum [0-9a-f]{{32}} instead of {MD5} and was deleted"):
            fetch(server, tmp_path)
        assert not list(tmp_path.iterdir())


def test_a_part_of_another_file_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(b"other" * 1000)
    with serving({"a.tar.gz": CONTENT}) as server:
        with pytest.raises(BudgetError, match="was deleted: give the same command again"):
            fetch(server, tmp_path)
        assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_an_archive_put_there_by_hand_is_verified_and_left(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"other")
    with pytest.raises(BudgetError, match=r"a\.tar\.gz` has the MD5 checksum .* delete it, and start again"):
        fetch(ArchiveServer({}), tmp_path)
    assert (tmp_path / "a.tar.gz").exists()


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_file_under_the_name(tmp_path: Path, size: int) -> None:
    with (
        serving({"a.tar.gz": CONTENT}) as server,
        pytest.raises(BudgetError, match=rf"isn't the official archive of {size:,} bytes: name another mirror"),
    ):
        fetch(server, tmp_path, size=size)


def test_a_shorter_file_than_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz.part").write_bytes(CONTENT[:2000])
    with (
        serving({"a.tar.gz": CONTENT[:1000]}) as server,
        pytest.raises(BudgetError, match="isn't the official archive of 3,000,000 bytes"),
    ):
        fetch(server, tmp_path)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """/dev/full takes no byte."""
    (tmp_path / "a.tar.gz.part").symlink_to("/dev/full")
    with serving({"a.tar.gz": CONTENT}) as server, pytest.raises(BudgetError, match=r"can't be written \(.+\): make room"):
        fetch(server, tmp_path)
