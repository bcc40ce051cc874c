"""An implementation's process: it answers, and the way it ends is understood."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import asdict

import pytest

from fairseq_budget.bench import worker as module
from fairseq_budget.bench.implementations import OURS
from fairseq_budget.bench.stock import Stock
from fairseq_budget.bench.worker import OutOfMemory, StepFailed, Worker, WorkerTask, answers
from fairseq_budget.bench.workload import Workload

Build = Callable[..., Workload]


@pytest.mark.integration
def test_a_process_answers(workload: Build) -> None:
    with Worker(WorkerTask(OURS, asdict(workload("tera")))) as worker:
        assert worker.peak_bytes is None
        first = worker.step(0)
        assert min(first.forward, first.backward, first.optimizer) > 0
        assert worker.peak_bytes > 2**20
        assert worker.step(1) != first
        process = worker._process
    assert process.returncode is not None, "it has ended"


def test_what_the_process_does(workload: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter([RuntimeError("expected Float\nbut found BFloat16"), MemoryError()])

    def fail(self: Stock, inputs: object) -> None:
        raise next(failures)

    monkeypatch.setattr(Stock, "forward", fail)
    wrong, full = answers(WorkerTask("fairseq", asdict(workload("tera"))), io.StringIO("0\n1\n"))
    assert (wrong.failure, wrong.out_of_memory, wrong.seconds) == ("expected Float", False, None)
    assert (full.failure, full.out_of_memory, full.seconds) == ("out of memory", True, None)


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", OutOfMemory, "out of memory"),
        ("raise SystemExit('terminate called: std::bad_alloc')", OutOfMemory, "out of memory"),
        ("raise SystemExit('first line\\nboom')", StepFailed, "boom"),
        ("raise SystemExit(3)", StepFailed, "the process ended with status 3"),
        ('print(\'{"seconds": null, "failure": "no kernel"}\')', StepFailed, "no kernel"),
    ],
)
def test_how_processes_end(
    workload: Build, monkeypatch: pytest.MonkeyPatch, program: str, error: type[StepFailed], message: str
) -> None:
    start = module.subprocess.Popen
    monkeypatch.setattr(
        module.subprocess, "Popen", lambda command, **options: start([sys.executable, "-c", program], **options)
    )
    with Worker(WorkerTask(OURS, asdict(workload("tera")))) as worker, pytest.raises(StepFailed, match=message) as caught:
        worker.step(0)
    assert type(caught.value) is error
