"""An implementation in a process of its own, which does one step whenever it is told to.

So its memory is its own, as are allocator, threads and switches of its libraries; running out of memory ends nothing else.
The process reads a :class:`Task` from its first argument and then numbers of batches, a line each; it answers each with a
line of JSON, an :class:`Answer`.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TextIO

import torch

from fairseq_budget.planning.steps import Phases

_OUT_OF_MEMORY = ("bad_alloc", "MemoryError")
"""How a process ends that ran out of memory where nothing could catch it."""


class StepFailed(Exception):
    """A step could not be done: the reason in a line."""


class OutOfMemory(StepFailed):
    """For want of memory."""


@dataclass(frozen=True)
class WorkerTask:
    """Whose steps, of what, and how many bytes the process may take beyond those that it has before it builds the model."""

    implementation: str
    workload: dict[str, Any]
    memory_limit: int | None = None


@dataclass(frozen=True)
class WorkerAnswer:
    """What came of a step; `peak_bytes` is None where the system doesn't tell."""

    seconds: Phases | None = None
    peak_bytes: int | None = None
    failure: str | None = None
    out_of_memory: bool = False


class Worker:
    """The process, seen from outside; a context manager that ends it."""

    def __init__(self, task: WorkerTask) -> None:
        self.peak_bytes: int | None = None
        """At the highest point so far, beyond what the process had before it built the model."""
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        command = [sys.executable, "-m", __name__, json.dumps(asdict(task))]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors, text=True, bufsize=1)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def step(self, number: int) -> Phases:
        """Learn from batch `number`.

        Raises:
            OutOfMemory: memory didn't suffice.
            StepFailed: another reason.
        """
        values = self._ask(number)
        seconds = values.pop("seconds")
        answer = WorkerAnswer(**values, seconds=seconds and Phases(**seconds))
        if answer.seconds is None:
            raise (OutOfMemory if answer.out_of_memory else StepFailed)(answer.failure)
        self.peak_bytes = answer.peak_bytes
        return answer.seconds

    def _ask(self, number: int) -> dict[str, Any]:
        try:
            self._process.stdin.write(f"{number}\n")  # type: ignore[union-attr]
            line = self._process.stdout.readline()  # type: ignore[union-attr]
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else asdict(self._death())

    def _death(self) -> WorkerAnswer:
        status = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip()
        # the kernel's way to say that memory is out
        if status == -signal.SIGKILL or any(sign in said for sign in _OUT_OF_MEMORY):
            return _full()
        return WorkerAnswer(failure=said.splitlines()[-1] if said else f"the process ended with status {status}")


def _full() -> WorkerAnswer:
    return WorkerAnswer(failure="out of memory", out_of_memory=True)


def answers(task: WorkerTask, numbers: TextIO) -> Iterator[WorkerAnswer]:
    """What the process does: a step for each line of `numbers`."""
    from fairseq_budget.bench.implementations import implementation_class
    from fairseq_budget.bench.workload import Workload
    from fairseq_budget.planning.memory import PeakMemory, limit_memory

    workload = Workload(**{**task.workload, "overrides": tuple(task.workload["overrides"])})
    kind, implementation = implementation_class(task.implementation), None
    # what isn't the model's: threads, which start with the first product, and the recipe
    torch.ones(512, 512, device=workload.device).mm(torch.ones(512, 512, device=workload.device))
    _ = workload.recipe
    memory = PeakMemory(workload.device)
    if task.memory_limit is not None:
        limit_memory(workload.device, task.memory_limit)
    for line in numbers:
        try:
            implementation = implementation or kind(workload)
            yield WorkerAnswer(implementation.step(int(line)), memory.bytes())
        except (RuntimeError, MemoryError) as error:
            yield _failure(error)


def _failure(error: Exception) -> WorkerAnswer:
    from fairseq_budget.planning.memory import is_out_of_memory

    return _full() if is_out_of_memory(error) else WorkerAnswer(failure=str(error).splitlines()[0])


def main() -> None:
    """Answer on standard output, which nothing else may write to."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for answer in answers(WorkerTask(**json.loads(sys.argv[1])), sys.stdin):
        print(json.dumps(asdict(answer)), file=own, flush=True)


if __name__ == "__main__":
    main()
