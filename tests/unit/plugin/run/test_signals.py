"""Signals: noted, handed on to whoever handled them before, or answered with a requeueing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairseq_budget.plugin.run.signals import NEAR_THE_END, Interruption

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of this process come back after the test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a cluster's `scontrol` was asked."""
    scontrol, log = tmp_path / "scontrol", tmp_path / "asked"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    scontrol.chmod(0o755)
    log.touch()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return log


def interrupted_by(number: signal.Signals) -> Interruption:
    interruption = Interruption()
    assert not interruption.asked
    os.kill(os.getpid(), number)
    assert interruption.asked
    return interruption


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_outside_a_cluster_a_signal_is_only_noted(number: signal.Signals, asked: Path) -> None:
    interruption = interrupted_by(number)
    os.kill(os.getpid(), signal.SIGTERM)  # what follows a requeueing doesn't end the process
    interruption.hand_on()
    assert asked.read_text() == ""


def test_submitits_handler_gets_its_signal_after_the_checkpoint(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    signal.signal(signal.SIGUSR2, lambda number, frame: calls.append(number))
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    interruption = interrupted_by(signal.SIGUSR2)
    assert calls == []
    interruption.hand_on()
    assert calls == [signal.SIGUSR2]
    assert asked.read_text() == "", "its handler requeues"


def test_a_sigterm_that_somebody_handles_is_left_to_them() -> None:
    calls: list[Any] = []
    signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    interruption = Interruption()
    os.kill(os.getpid(), signal.SIGTERM)
    assert (calls, interruption.asked) == ([signal.SIGTERM], False)


@pytest.mark.parametrize(
    ("number", "seconds_left", "queued"),
    [
        (signal.SIGUSR1, 10 * NEAR_THE_END, True),
        (signal.SIGTERM, NEAR_THE_END / 10, True),
        (signal.SIGTERM, 10 * NEAR_THE_END, False),
    ],
    ids=["asked before the limit", "at the limit", "cancelled or preempted"],
)
def test_on_slurm(
    number: signal.Signals, seconds_left: float, queued: bool, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "80")
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + seconds_left)))
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "77")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    interrupted_by(number).hand_on()
    assert asked.read_text() == ("requeue 77_3\n" if queued else "")


def test_a_refused_requeueing_is_told(
    asked: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (asked.parent / "scontrol").write_text("#!/bin/sh\necho no such job >&2\nexit 1\n")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    interrupted_by(signal.SIGUSR1).hand_on()
    assert "`scontrol requeue 77` failed (no such job): submit the job again" in caplog.text


def test_other_threads_leave_signals_alone() -> None:
    made: list[Interruption] = []
    thread = threading.Thread(target=lambda: made.append(Interruption()))
    thread.start()
    thread.join()
    assert made[0].previous == {}
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
