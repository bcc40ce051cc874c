"""One process at a time labels into a folder; another one says that it waits, and goes on when the first has ended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fairseq_budget.labels import parts

pytestmark = pytest.mark.integration

ENTERS = """
import sys
from pathlib import Path
from fairseq_budget.labels.parts import alone
with alone(Path(sys.argv[1])):
    print('inside', flush=True)
    sys.stdin.read()
"""


def start(folder: Path) -> subprocess.Popen[str]:
    """A process that takes the lock and keeps it until its standard input is closed."""
    command, pipe = [sys.executable, "-c", ENTERS, folder], subprocess.PIPE
    wide = {**os.environ, "COLUMNS": "1000"}
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=wide)


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    with parts.alone(tmp_path):
        second = start(tmp_path)
        told = rf"{tmp_path}: process {os.getpid()} on \S+ since \S+ labels here, waiting for its end\n"
        assert re.fullmatch(told, second.stderr.readline())
        assert second.poll() is None
    output, errors = second.communicate()
    assert (second.returncode, output, errors) == (0, "inside\n", "")


def test_the_lock_of_a_killed_process_is_void(tmp_path: Path) -> None:
    with start(tmp_path) as killed:
        assert killed.stdout.readline() == "inside\n"
        killed.kill()
    with parts.alone(tmp_path):
        assert (tmp_path / parts.LOCK_NAME).is_file()
