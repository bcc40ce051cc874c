"""Starts a command in a copy of a process that has imported what the command needs.

Importing fairseq, or torch alone, takes longer than what most tests compute.  The copy is made by a fork before anything but
imports has happened; what it runs is the command's own script, module (``python -m``) or text (``python -c``), with its own
arguments, folder, environment, output and exit code.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self, TextIO

LONGEST = 600
"""Seconds, after which a command is killed."""

FAIRSEQ = ("fairseq_cli.hydra_train", "torch._dynamo")
"""For fairseq's command."""
TORCH = ("torch", "torch._dynamo", "pandas", "sklearn.base")
"""For the commands of this project and of s3prl; an optimizer's first step imports `torch._dynamo`."""
HOOK = "FAIRSEQ_BUDGET_S3PRL_HOOK"
"""Read when Python starts, and so set for the process that is copied."""


class WarmStart:
    """A process that waits for commands, one after the other."""

    def __init__(self, *imports: str, **environment: str) -> None:
        command = [sys.executable, "-m", __name__, *imports]
        where = {"cwd": Path(__file__).parents[1], "env": {**os.environ, **environment}}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **where)

    def run(
        self, command: Sequence[str], cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """As ``subprocess.run`` with captured output."""
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("stdout", "stderr")]
            status = self._answer(_job(command, cwd, environment, outputs))
            texts = [path.read_text(encoding="utf-8", errors="replace") for path in outputs]
        return subprocess.CompletedProcess(list(command), status, *texts)

    def start(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Running:
        """As ``subprocess.Popen`` in a session of its own, without output."""
        status = Path(tempfile.mkdtemp(), "status")
        job = _job(command, cwd, environment, [Path(os.devnull)] * 2)
        return Running(self._answer({**job, "status": str(status)}), status)

    def _answer(self, job: dict[str, Any]) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def end(self) -> None:
        """No more commands."""
        self.process.communicate()


def _job(
    command: Sequence[str], cwd: Path | None, environment: Mapping[str, str] | None, outputs: Sequence[Path]
) -> dict[str, Any]:
    return {
        "command": list(map(str, command)),
        "cwd": str(cwd or Path.cwd()),
        "environment": dict(os.environ if environment is None else environment),
        "outputs": list(map(str, outputs)),
    }


class Running:
    """A command that goes on while the test does, with the part of ``subprocess.Popen`` that tests use."""

    def __init__(self, pid: int, status: Path) -> None:
        self.pid, self._status = pid, status

    def poll(self) -> int | None:
        """Its exit code, None as long as it runs."""
        return int(self._status.read_text()) if self._status.exists() else None

    def wait(self, timeout: float = LONGEST) -> int:
        """Its exit code.

        Raises:
            TimeoutError: it still runs after so many seconds.
        """
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """To the command alone, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.wait()
        shutil.rmtree(self._status.parent)


@cache
def warm(imports: Sequence[str] = TORCH, hook: bool = True) -> WarmStart:
    """This test process's own with those imports; `hook` tells whether s3prl is prepared when a command imports it."""
    started = WarmStart(*imports, **{HOOK: str(int(hook))})
    atexit.register(started.end)
    return started


def _serve(imports: Sequence[str]) -> None:
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed while importing is no answer
    for name in imports:
        importlib.import_module(name)
    gc.freeze()  # or each copy's first collections would write to every page that it shares: half of a short run's time
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if not child and "status" in job:
            child = _watched(Path(job["status"]), channel)
        if not child:
            channel.close()
            _become(job)
            return
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if "status" not in job:
            print(code, file=channel, flush=True)


def _watched(status: Path, channel: TextIO) -> int:
    """Leave who waits for the next command; returns 0 in the process that shall become this one."""
    if os.fork():
        os._exit(0)
    child = os.fork()
    if not child:
        os.setsid()
        return 0
    print(child, file=channel, flush=True)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status.with_suffix(".new").write_text(str(code))
    status.with_suffix(".new").rename(status)
    os._exit(0)


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
    program, *words = job["command"]
    if Path(program).name.startswith("python"):
        _as_python(words)
        return
    script = shutil.which(program, path=os.environ["PATH"])
    assert script is not None, program
    sys.argv = [script, *words]
    runpy.run_path(script, run_name="__main__")


def _as_python(words: Sequence[str]) -> None:
    option, what, *arguments = words
    sys.argv, sys.path[0] = [option, *arguments], os.getcwd()
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        assert option == "-c", option
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102


if __name__ == "__main__":
    _serve(sys.argv[1:])
