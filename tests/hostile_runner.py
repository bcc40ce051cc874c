"""Runs commands on hostile files, one after the other in a process of little memory, and tells what became of each.

``python -m tests.hostile_runner`` reads JSON lists of arguments from standard input, a line each; ``run_downstream`` as the
first argument stands for s3prl's launcher, ``load`` for reading a checkpoint, and ``restore`` for what fairseq reads when a
run goes on.  A line {"code", "error"} answers each.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

GIB = 2**30
MORE_MEMORY = 3 * GIB
SECONDS = 300
"""For a hundred files; the harm that is tested for would last hours."""


def answers(commands: list[list[str]], cwd: Path, seconds: float = SECONDS, **environment: str) -> list[dict[str, Any]]:
    """What became of commands, one after the other in one process."""
    given = {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cwd / "own")}
    told = subprocess.run(
        [sys.executable, "-m", "tests.hostile_runner"],
        input="\n".join(map(json.dumps, commands)),
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=cwd,
        env={**os.environ, **given, **environment},
    )
    if told.returncode or told.stdout.count("\n") != len(commands):
        raise AssertionError(f"the process ended before its time: {told.stderr[-2000:]}")
    return [json.loads(line) for line in told.stdout.splitlines()]


def main() -> None:
    """Answer every line."""
    import torch

    torch.set_num_threads(1)
    from fairseq_budget import cli
    from fairseq_budget.checkpoints.pretrained import load_pretrained
    from fairseq_budget.errors import BudgetError

    def load(read: Callable[[str], object], path: str) -> int:
        try:
            read(path)
        except BudgetError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return 0

    def restore(path: str) -> object:
        from fairseq import checkpoint_utils

        import fairseq_budget.plugin  # noqa: F401

        return checkpoint_utils.load_checkpoint_to_cpu(path)

    def downstream() -> int:
        from s3prl_upstreams import run_downstream

        plain = builtins.isinstance
        try:
            return run_downstream.main()
        finally:  # s3prl wraps it at each start in two calls of the last, so that thirty starts would cost a billion
            builtins.isinstance = plain

    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_MEMORY, used + MORE_MEMORY))
    for line in sys.stdin:
        name, *rest = json.loads(line)
        sys.argv = [name, *rest]
        errors, code = io.StringIO(), None
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                if name in ("load", "restore"):
                    code = load(load_pretrained if name == "load" else restore, *rest)
                elif name == "run_downstream":
                    code = downstream()
                else:
                    sys.argv = ["fairseq-budget", name, *rest]
                    code = cli.main() or 0
            except SystemExit as stop:
                code = stop.code
            except BaseException:
                traceback.print_exc()
        print(json.dumps({"code": code, "error": errors.getvalue()}), flush=True)


if __name__ == "__main__":
    main()
