"""What fairseq keeps from epoch to epoch and from run to run: in a multirun, several runs share a process.

Hydra's basic launcher starts one run after the other in its own process, joblib's gives a process several.
"""

from __future__ import annotations

import atexit
import functools
import logging
import multiprocessing
import queue
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import util
from typing import Any

from fairseq import checkpoint_utils
from fairseq.data.iterators import BackgroundConsumer
from fairseq.distributed import utils as distributed
from fairseq.logging import progress_bar

from fairseq_budget.plugin.compat import wandb_runs

FIRST = 100
"""Before what multiprocessing itself does when a process ends, whose highest priority is 10."""
_at_exit: list[Any] = []


def begin_each_run_afresh() -> bool:
    """Without it a run's log also gets what later runs log, its TensorBoard events and its curves at Weights
    and Biases go to the first run's, and its best checkpoint is one that beats the best of all runs before."""
    if not hasattr(distributed.call_main, "__wrapped__"):
        distributed.call_main = _afresh(distributed.call_main)
    return True


def _afresh(original: Any) -> Any:
    @functools.wraps(original)
    def call_main(*args: Any, **settings: Any) -> Any:
        _forget_runs_before()
        return original(*args, **settings)

    return call_main


def _forget_runs_before() -> None:
    end_reading()
    _close_log_files(progress_bar.logger)
    _close_event_files()
    wandb_runs.end_run()
    vars(checkpoint_utils.save_checkpoint).pop("best", None)
    train = sys.modules.get("fairseq_cli.train")  # the command; importing it would set up logging
    if train is not None:
        _close_log_files(train.logger)
        for name in ("best", "num_runs"):
            vars(train.should_stop_early).pop(name, None)


def _close_event_files() -> None:
    for writer in progress_bar._tensorboard_writers.values():
        writer.close()
    progress_bar._tensorboard_writers.clear()


def _close_log_files(logger: logging.Logger) -> None:
    for handler in [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]:
        logger.removeHandler(handler)
        handler.close()


def open_a_log_once() -> bool:
    """fairseq opens the log again at every epoch and writes each line once for each time that it is open."""
    if not hasattr(progress_bar.progress_bar, "__wrapped__"):
        progress_bar.progress_bar = _with_one_file(progress_bar.progress_bar)
    return True


def _with_one_file(original: Any) -> Any:
    @functools.wraps(original)
    def make(*args: Any, log_file: str | None = None, **settings: Any) -> Any:
        if log_file is not None:
            _close_log_files(progress_bar.logger)
        return original(*args, log_file=log_file, **settings)

    return make


def start_loaders_as_elsewhere() -> bool:
    """A process that was started by another starts its own in the same way.  joblib's (loky) is one that torch's loaders
    don't know (`'Process' object has no attribute 'env'`); in ranks that fairseq's command spawned, each loader would import
    everything anew and share no memory, at every epoch and validation.  The system's own way works there, too."""
    method = multiprocessing.get_start_method(allow_none=True) or ""
    needed = method.startswith("loky") or (method == "spawn" and multiprocessing.parent_process() is not None)
    if needed:
        multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)
    return needed


def end_reading_at_exit() -> bool:
    """fairseq reads batches ahead in a daemon thread.  At exit, Python kills such a thread wherever it is; inside torch's
    C++ code that aborts the process ("terminate called without an active exception", exit code -6) when all is done."""
    atexit.unregister(end_reading)
    atexit.register(end_reading)
    return True


def close_event_files_at_exit() -> bool:
    """TensorBoard's writers read from a queue in threads.  When one of joblib's processes ends, it closes the queues first,
    and each thread prints a traceback (`handle is closed`)."""
    if not _at_exit:
        _at_exit.append(util.Finalize(None, _close_event_files, exitpriority=FIRST))
    return True


def end_reading(limit_s: float = 10.0) -> None:
    """Let the threads that read ahead end after the batch that they are reading, and wait for them so many seconds."""
    deadline = time.monotonic() + limit_s
    readers = [thread for thread in threading.enumerate() if isinstance(thread, BackgroundConsumer)]
    for reader in readers:
        reader._max_len = 0
    while any(reader.is_alive() for reader in readers) and time.monotonic() < deadline:
        for reader in readers:
            with suppress(queue.Empty):  # room for what it has read
                reader._queue.get_nowait()
            reader.join(0.01)
