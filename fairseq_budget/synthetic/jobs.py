"""Units of work that make a corpus: each writes its own files and depends on nothing but its arguments.

That is why a corpus comes out the same to the byte with any number of workers.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from fairseq_budget.data.progress import tracked


@dataclass(frozen=True)
class Made:
    """What came of a job, or of many: speakers, files, and seconds of audio."""

    speakers: int = 0
    files: int = 0
    seconds: float = 0.0

    def __add__(self, other: Made) -> Made:
        return Made(self.speakers + other.speakers, self.files + other.files, self.seconds + other.seconds)


@dataclass(frozen=True)
class Job:
    """A function without arguments that can be sent to another process, and the part of the corpus that it adds to."""

    part: str
    work: Callable[[], Made]


def run_jobs(jobs: Sequence[Job], workers: int) -> dict[str, Made]:
    """Do all jobs in `workers` processes and add up what each part of the corpus got, in the order of the jobs."""
    totals: dict[str, Made] = defaultdict(Made)
    # Fresh processes, not forks: the caller may run threads (a progress bar does), and eSpeak forks in them again.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_the_caller) as pool:
        try:
            results = pool.map(_do, jobs)
            for job, made in zip(jobs, tracked(results, "speaking", len(jobs)), strict=True):
                totals[job.part] += made
        finally:
            pool.shutdown(cancel_futures=True)
    return dict(totals)


def _leave_interrupts_to_the_caller() -> None:
    """Ctrl-C reaches every process of a terminal; only the caller should answer, by letting the running jobs end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _do(job: Job) -> Made:
    return job.work()
