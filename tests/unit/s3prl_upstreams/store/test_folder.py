"""The store's files: damaged in every place, written and read by several processes, removed when there are too many."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.store import folder
from s3prl_upstreams.store.folder import Store


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def states(number: int, frames: int = 5) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(3, frames, 8)).astype(np.float32)


def path_of(store: Store, number: int) -> Path:
    return next(file.path for file in folder.files(store.folder) if file.path.stem == key(number))


def test_what_was_put_is_got(store: Store, told: list[str]) -> None:
    assert store.get(key(1)) is None
    for number, dtype in ((1, np.float32), (2, np.float16)):
        store.put(key(number), states(number).astype(dtype))
        found = store.get(key(number))
        assert found is not None and found.dtype == dtype and np.array_equal(found, states(number).astype(dtype))
        assert not found.flags.owndata and not found.flags.writeable, "it is mapped, not read"
    assert told == [] and not list(store.folder.rglob("*.tmp"))


def flip(place: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return damage


def cut(length: int) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[:length])


def become_another(path: Path) -> None:
    other = next(file.path for file in folder.files(path.parents[1]) if file.path != path)
    path.write_bytes(other.read_bytes())


def become_a_folder(path: Path) -> None:
    path.unlink()
    (path / "in it").mkdir(parents=True)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "magic": (flip(0), "its header isn't one"),
    "type": (flip(9), "its header isn't one"),
    "shape": (flip(12), "its length is wrong"),
    "checksum": (flip(30), "its checksum differs"),
    "first number": (flip(64), "its checksum differs"),
    "last number": (flip(-1), "its checksum differs"),
    "empty": (cut(0), "it's no file with content"),
    "cut in the header": (cut(40), "it ends in its header"),
    "cut in the numbers": (cut(100), "its length is wrong"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "its length is wrong"),
    "another's": (become_another, "its checksum differs"),
    "a folder": (become_a_folder, "it's no file with content"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_removed_and_written_again(store: Store, told: list[str], name: str) -> None:
    damage, reason = DAMAGE[name]
    for number in (1, 2):
        store.put(key(number), states(number))
    path = path_of(store, 1)
    damage(path)
    assert store.get(key(1)) is None
    assert told == [f"`{path}` is damaged ({reason}): it is removed and computed again"] and not path.exists()
    store.put(key(1), states(1))
    assert np.array_equal(store.get(key(1)), states(1)) and np.array_equal(store.get(key(2)), states(2))


def test_what_cannot_be_read_is_told_once_and_left(store: Store, told: list[str]) -> None:
    store.put(key(1), states(1))
    path = path_of(store, 1)
    path.unlink()
    path.symlink_to(path)
    assert store.get(key(1)) is None and store.get(key(1)) is None and path.is_symlink()
    assert told == [f"`{path}` can't be read (Too many levels of symbolic links): it is computed again"]
    store.put(key(1), states(1))
    assert np.array_equal(store.get(key(1)), states(1)) and not path.is_symlink()


def test_the_least_recently_used_make_room(tmp_path: Path, told: list[str]) -> None:
    first = Store(tmp_path)
    size = 64 + states(0).nbytes
    for number in range(6):
        first.put(key(number), states(number))
        os.utime(path_of(first, number), (1000 + number,) * 2)
    used = Store(tmp_path, limit=6 * size, tell=told.append)
    assert used.get(key(0)) is not None
    for number in (6, 7):
        used.put(key(number), states(number))
    kept = {number for number in range(8) if used.get(key(number)) is not None}
    assert kept == {0, 3, 4, 5, 6, 7} and told == []


def test_what_this_run_uses_stays(tmp_path: Path, told: list[str]) -> None:
    """Otherwise data that are a little larger than the store would push each other out, pass after pass."""
    store = Store(tmp_path, limit=3 * (64 + states(0).nbytes), tell=told.append)
    for number in range(3):
        store.put(key(number), states(number))
        store.get(key(number))
    for number in (3, 4):
        store.put(key(number), states(number))
    assert [store.get(key(number)) is not None for number in range(5)] == [True, True, True, False, False]
    assert len(told) == 1 and "has no room for more (`--cache-gib`, or the disk)" in told[0]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=64 + states(0).nbytes)
    store.put(key(0), states(0))
    left = path_of(store, 0).with_name(".left.1.tmp")
    left.write_bytes(b"half")
    os.utime(left, (1000, 1000))
    store.put(key(1), states(1))
    assert not left.exists() and [file.path.stem for file in folder.files(tmp_path)] == [key(1)]


def test_clearing_removes_its_own_files_alone(store: Store) -> None:
    store.put(key(0), states(0))
    beside = path_of(store, 0).with_name("notes.txt")
    beside.write_text("mine")
    assert folder.clear(store.folder) == 64 + states(0).nbytes
    assert beside.exists() and folder.files(store.folder) == [] and folder.files(store.folder / "nowhere") == []


def test_a_folder_that_cannot_be_made_or_written(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BudgetError, match="can't be made .*: name another folder with `--cache-dir`, or use `--cache off`"):
        Store(tmp_path / "file")
    store = Store(tmp_path / "store", tell=told.append)
    (store.folder / key(0)[:2]).write_text("in the way")
    store.put(key(0), states(0))
    store.put(key(1), states(1))
    assert len(told) == 1 and "can't be written (File exists): no more hidden states are stored" in told[0]


def test_the_folder_is_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(folder.VARIABLE, raising=False)
    assert folder.default_folder() == tmp_path / "fairseq-budget" / "hidden_states"
    monkeypatch.setenv(folder.VARIABLE, str(tmp_path / "other"))
    assert folder.default_folder() == tmp_path / "other"


PROCESS = """
import sys
from pathlib import Path
from tests.unit.s3prl_upstreams.store.test_folder import key, states
from s3prl_upstreams.store.folder import Store
import numpy as np
store = Store(Path(sys.argv[1]), limit=40 * (64 + states(0).nbytes))
print("ready", flush=True)
for turn in range(int(sys.argv[2])):
    for number in np.random.default_rng(turn).permutation(60):
        found = store.get(key(number))
        if found is None:
            store.put(key(number), states(number))
        else:
            assert np.array_equal(found, states(number)), number
"""


def start(store: Path, turns: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROCESS, str(store), str(turns)]
    root = Path(__file__).parents[4]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_processes_that_read_write_remove_and_are_killed(tmp_path: Path) -> None:
    processes = [start(tmp_path, turns) for turns in (30, 30, 10_000)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    deadline = time.monotonic() + 60
    while len(folder.files(tmp_path)) < 20 and time.monotonic() < deadline:
        time.sleep(0.001)
    processes[2].kill()
    errors = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, -9]
    assert not any("damaged" in text or "can't be" in text for text in errors)
    after = Store(tmp_path)
    found = [after.get(file.path.stem) for file in folder.files(tmp_path)]
    assert found and all(states is not None for states in found)
    assert len(found) <= 60
