"""Being asked to stop: a signal leads to a checkpoint at the next update, a clean exit and, on Slurm, another turn.

SIGUSR1 and SIGUSR2 are what clusters send some time before a job's limit (``sbatch --signal=USR1@120``; submitit sends
SIGUSR2), SIGTERM is what they send when the time is up, before a preemption, and on ``scancel``.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from typing import Any

logger = logging.getLogger(__name__)

NEAR_THE_END = 600
"""Seconds: a SIGTERM so shortly before the job's limit is about the limit, an earlier one means a preemption, after which
Slurm requeues the job itself, or `scancel`."""


class Interruption:
    """Takes note of the signals; whoever handled one before has it back when the checkpoint is there.

    That is how submitit's requeueing is joined: its handler for SIGUSR2 requeues the job and ends the process.  A SIGTERM
    that somebody else handles (submitit ignores it, since SIGUSR2 comes as well) is left to them.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous: dict[int, Any] = {}
        if threading.current_thread() is not threading.main_thread():  # Python runs handlers in the main thread alone
            return
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            handler = signal.getsignal(number)
            if number == signal.SIGTERM and handler != signal.SIG_DFL:
                continue
            self.previous[number] = handler
            signal.signal(number, self._note)

    def _note(self, number: int, frame: Any) -> None:
        if self.asked:  # a SIGTERM follows a requeueing
            return
        logger.info("%s: the run stops after this update, with a checkpoint", signal.Signals(number).name)
        self.signal = number

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def hand_on(self) -> None:
        """After the checkpoint: give the signal to its previous handler, or ask Slurm for another turn."""
        handler = self.previous.get(self.signal) if self.signal is not None else None
        if callable(handler):
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
