"""Starts a command in a copy of a process that has imported what the command needs.

Importing fairseq takes longer than what most tests train.  The copy is made by a fork before anything but imports has
happened; what it runs is the command's own script, with its own arguments, folder, environment, output and exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LONGEST = 600
"""Seconds, after which a command is killed."""


class WarmStart:
    """A process that waits for commands, one after the other."""

    def __init__(self, *imports: str) -> None:
        command = [sys.executable, "-m", __name__, *imports]
        self.process = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """As ``subprocess.run`` with captured output."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("stdout", "stderr")]
            job = {"command": list(command), "cwd": str(cwd), "environment": dict(environment)}
            job["outputs"] = [str(path) for path in outputs]
            print(json.dumps(job), file=self.process.stdin, flush=True)
            status = int(self.process.stdout.readline())
            texts = [path.read_text(encoding="utf-8", errors="replace") for path in outputs]
        return subprocess.CompletedProcess(list(command), status, *texts)

    def end(self) -> None:
        """No more commands."""
        self.process.communicate()


def _serve(imports: Sequence[str]) -> None:
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed while importing is no answer
    for name in imports:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            channel.close()
            _become(json.loads(line))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=channel, flush=True)


def _become(job: dict[str, Any]) -> None:
    """Turn into the command; what it raises ends this process as it would end the command's own."""
    signal.alarm(LONGEST)
    os.chdir(job["cwd"])
    for number, path in enumerate(job["outputs"], start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(job["environment"])
    if "OMP_NUM_THREADS" in os.environ:  # read when torch was imported
        importlib.import_module("torch").set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    script = shutil.which(job["command"][0], path=os.environ["PATH"])
    assert script is not None, job["command"][0]
    sys.argv = [script, *job["command"][1:]]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    _serve(sys.argv[1:])
