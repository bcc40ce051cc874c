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
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

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
        assert self.process.stdin is not None and self.process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("stdout", "stderr")]
            job = {"command": list(map(str, command)), "cwd": str(cwd or Path.cwd())}
            job |= {"environment": dict(os.environ if environment is None else environment)}
            job["outputs"] = [str(path) for path in outputs]
            print(json.dumps(job), file=self.process.stdin, flush=True)
            status = int(self.process.stdout.readline())
            texts = [path.read_text(encoding="utf-8", errors="replace") for path in outputs]
        return subprocess.CompletedProcess(list(command), status, *texts)

    def end(self) -> None:
        """No more commands."""
        self.process.communicate()


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
