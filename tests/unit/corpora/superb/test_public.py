"""Files that are fetched: verified, kept, copied, and what is said when they can't be had."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fairseq_budget.corpora.superb import public
from fairseq_budget.corpora.superb.public import PublicFile, blob_id, obtain
from fairseq_budget.errors import BudgetError

CONTENT = b"1 a b\n0 a c\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The URL of a folder with one file."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "trials.txt").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_the_checksum_is_gits(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    answer = subprocess.run(["git", "hash-object", "x"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert blob_id(CONTENT) == answer.stdout.strip()


def test_fetched_then_there_already(server: str, tmp_path: Path) -> None:
    file, target = PublicFile(f"{server}/trials.txt", blob_id(CONTENT)), tmp_path / "out" / "trials.txt"
    assert obtain(file, target) == f"fetched from {server}/trials.txt"
    assert target.read_bytes() == CONTENT and [path.name for path in target.parent.iterdir()] == ["trials.txt"]
    assert obtain(file, target) == "there already"


def test_a_right_copy_in_the_corpus_is_taken(tmp_path: Path) -> None:
    wrong, right = tmp_path / "wrong", tmp_path / "right"
    wrong.write_bytes(b"x")
    right.write_bytes(CONTENT)
    file = PublicFile("http://127.0.0.1:9/trials.txt", blob_id(CONTENT))
    assert obtain(file, tmp_path / "target", [tmp_path / "none", wrong, right]) == f"copied from {right}"


def test_what_is_wrong_is_refused(server: str, tmp_path: Path) -> None:
    file = PublicFile(f"{server}/trials.txt", blob_id(b"other"))
    with pytest.raises(BudgetError, match="has another checksum: put the right file at `.*target` yourself"):
        obtain(file, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    (tmp_path / "target").write_bytes(CONTENT)
    with pytest.raises(BudgetError, match="`.*target` is there already and isn't the file `.*trials.txt`: remove it"):
        obtain(file, tmp_path / "target")


def test_what_cannot_be_had(server: str, tmp_path: Path) -> None:
    for url, reason in ((f"{server}/none.txt", "File not found"), ("http://127.0.0.1:9/x", "ConnectionError")):
        with pytest.raises(BudgetError, match=rf"`{url}` can't be fetched \({reason}\): fetch it where there is a network"):
            obtain(PublicFile(url, ""), tmp_path / "target")


def test_every_file_is_pinned_to_a_commit() -> None:
    files = [*public.LEXICONS, public.IDENTIFICATION, public.TRIALS, public.DEV_TRIALS, public.MANDARIN_CHARACTERS]
    files += [*public.SPEECH_SEGMENTS.values(), *public.FOLDS.values()]
    assert len({file.blob for file in files}) == len(files) == 19
    for file in files:
        revision = file.url.removeprefix("https://raw.githubusercontent.com/").split("/")[2]
        assert len(revision) == len(file.blob) == 40 and int(revision + file.blob, 16)
