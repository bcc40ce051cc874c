"""Being asked to stop: a signal leads to a checkpoint at the next update, a clean exit and, on Slurm, another turn.

SIGUSR1 and SIGUSR2 are what clusters send some time before a job's limit (``sbatch --signal=USR1@120``; submitit sends
SIGUSR2), SIGTERM is what they send when the time is up, before a preemption, and on ``scancel``.  SIGINT is Ctrl-C; the
second one ends the run at once.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

logger = logging.getLogger(__name__)

NEAR_THE_END = 600
"""Seconds: a SIGTERM so shortly before the job's limit is about the limit, an earlier one means a preemption, after which
Slurm requeues the job itself, or `scancel`."""

SECOND_TIME = 0.5
"""Seconds between a first and a second Ctrl-C.  One key press reaches a rank twice: from the terminal, and from the process
that started the rank."""

STOPPING = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
"""The signals that lead to a checkpoint and a clean exit."""


class Early:
    """Takes note of a signal in the seconds before the task exists, in which nothing is computed yet, and, in a multirun,
    between two runs: the next one then has nothing to do."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.watching = False

    def watch(self) -> None:
        """From here on, a signal doesn't end the process.  Only for a process that does nothing but train."""
        self.watching = True
        for number in STOPPING:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self.note)

    def note(self, number: int, frame: Any) -> None:
        """A signal came; a second one ends the process.  The runs of a multirun may be in processes of joblib's."""
        _hand_on_to_joblibs(number)
        if self.signal is not None:
            raise SystemExit(128 + number)
        self.signal = number

    def pass_on(self, number: int) -> None:
        """A run stops for a signal; those that this process would begin after it stop, too."""
        if self.watching:
            self.signal = number


early = Early()


def _hand_on_to_joblibs(number: int) -> None:
    """Send a signal to the processes that joblib started here."""
    executor = getattr(sys.modules.get("joblib.externals.loky.reusable_executor"), "_executor", None)
    for process in list(getattr(executor, "_processes", ())):
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _is_a_runs(handler: Any) -> bool:
    return isinstance(getattr(handler, "__self__", None), Interruption)


def _handler_before_us(number: int, handler: Any) -> Any:
    """Whoever handled a signal before; an earlier run of this process has nothing more to save."""
    if _is_a_runs(handler):
        return handler.__self__.previous.get(number)
    return signal.SIG_DFL if handler == early.note else handler


_terminated: list[int] = []


def _in_a_loader_process(number: int) -> None:
    """A process that loads data inherits the handler.  A signal for the whole job is the rank's affair, which still needs
    its batches; the second SIGTERM is torch's, when it ends its loaders."""
    if number == signal.SIGTERM and _terminated:
        os._exit(128 + number)
    if number == signal.SIGTERM:
        _terminated.append(number)


class Interruption:
    """Takes note of the signals; whoever handled one before has it back when the checkpoint is there.

    That is how submitit's requeueing is joined: its handler for SIGUSR2 requeues the job and ends the process.  A SIGTERM
    that somebody else handles (submitit ignores it, since SIGUSR2 comes as well) is left to them.

    A signal that comes before the task exists is kept by the system or by `early`, and noted here.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous: dict[int, Any] = {}
        self._process, self._since = os.getpid(), 0.0
        if threading.current_thread() is not threading.main_thread():  # Python runs handlers in the main thread alone
            return
        for number in STOPPING:
            handler = signal.getsignal(number)
            if number == signal.SIGTERM and handler not in (signal.SIG_DFL, early.note) and not _is_a_runs(handler):
                continue
            self.previous[number] = _handler_before_us(number, handler)
            signal.signal(number, self._note)
        self.signal = early.signal
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def _note(self, number: int, frame: Any) -> None:
        if os.getpid() != self._process:
            _in_a_loader_process(number)
        elif not self.asked:  # a SIGTERM follows a requeueing
            logger.info("%s: the run stops after this update, with a checkpoint", signal.Signals(number).name)
            self.signal, self._since = number, time.monotonic()
            early.pass_on(number)
        elif number == signal.SIGINT and time.monotonic() - self._since > SECOND_TIME:
            raise KeyboardInterrupt

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def hand_on(self) -> None:
        """After the checkpoint: give the signal to its previous handler, or ask Slurm for another turn."""
        handler = self.previous.get(self.signal) if self.signal is not None else None
        if callable(handler) and self.signal != signal.SIGINT:
            handler(self.signal, None)
        elif self._time_is_up():
            requeue()

    def _time_is_up(self) -> bool:
        if "SLURM_JOB_ID" not in os.environ:
            return False
        if self.signal in (signal.SIGUSR1, signal.SIGUSR2):
            return True
        return float(os.environ.get("SLURM_JOB_END_TIME", "inf")) - time.time() < NEAR_THE_END


def requeue() -> None:
    """Ask Slurm to run this job again; it continues from its checkpoint."""
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if answer.returncode:
        logger.error("`scontrol requeue %s` failed (%s): submit the job again to continue", job, answer.stderr.strip())
    else:
        logger.info("job %s is queued again; it continues from the checkpoint", job)
