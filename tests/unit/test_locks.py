"""One writer at a time, and who it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fairseq_budget.errors import BudgetError
from fairseq_budget.locks import acquire, alone, owner

HOLD = """
import sys, pathlib
from fairseq_budget.locks import acquire
lock = acquire(pathlib.Path(sys.argv[1]))
print("mine", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "mine\n"
        told = (
            rf"`{tmp_path}` is in use by process {other.pid} on \S+ since \d{{4}}-\d\d-\d\dT\S+: wait for its end, or end it"
        )
        for _ in range(2):  # asking doesn't wipe out the answer
            with pytest.raises(BudgetError, match=told):
                acquire(path, wait=0)
        other.kill()
    with alone(path):
        assert re.match(f"process {os.getpid()} on ", owner(path))
    with alone(path, wait=0):
        pass


def test_a_lock_that_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("?")
    assert owner(tmp_path / ".lock") == "another process"


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BudgetError, match=f"`{tmp_path}/file` can't be written"):
        acquire(tmp_path / "file" / ".lock", wait=0)
