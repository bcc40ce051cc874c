"""What unmodified fairseq needs to run on current Python and torch; each fix does nothing where it isn't needed."""

from __future__ import annotations

import argparse
import atexit
import os
import queue
import shutil
import threading
import time
from contextlib import suppress
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.data.iterators import BackgroundConsumer
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager


def apply() -> None:
    """Apply every fix; calling it again changes nothing."""
    allow_checkpoint_classes()
    broadcast_any_object()
    gather_without_cuda()
    place_cpu_ranks()
    copy_checkpoints_whole()
    end_reading_at_exit()


def allow_checkpoint_classes() -> None:
    """torch.load reads only listed classes since 2.6; fairseq's checkpoints may hold these, which only store data."""
    torch.serialization.add_safe_globals([argparse.Namespace, Dictionary])


def broadcast_any_object() -> None:
    """When several ranks continue a run, one reads the checkpoint and sends it to the others, who unpack it with
    torch.load: since 2.6 that refuses the configuration in it.  torch's own way to send objects doesn't."""
    distributed._broadcast_object_slow = _broadcast_object


def _broadcast_object(obj: Any, src_rank: int, group: Any, dist_device: torch.device) -> Any:
    sent = [obj]
    torch.distributed.broadcast_object_list(sent, src=src_rank, group=group, device=dist_device)
    return sent[0]


def gather_without_cuda() -> None:
    """`all_gather_list` keeps its buffer on a GPU; on machines without one, torch gathers objects through gloo."""
    if torch.cuda.is_available() or distributed.all_gather_list is _all_gather_objects:
        return
    distributed.all_gather_list = _all_gather_objects


def _all_gather_objects(data: Any, group: Any = None, max_size: int = 16384) -> list[Any]:
    group = distributed.get_global_group() if group is None else group
    gathered: list[Any] = [None] * distributed.get_world_size(group=group)
    torch.distributed.all_gather_object(gathered, data, group=group)
    return gathered


def place_cpu_ranks() -> None:
    """Under torchrun, a rank's device is its rank modulo the number of GPUs: a division by zero where there is none."""
    original = distributed._infer_torch_distributed_launch_init
    if torch.cuda.is_available() or getattr(original, "without_cuda", False):
        return

    def infer(cfg: Any) -> None:
        device_count, torch.cuda.device_count = torch.cuda.device_count, lambda: 1
        try:
            original(cfg)
        finally:
            torch.cuda.device_count = device_count

    infer.without_cuda = True  # type: ignore[attr-defined]
    distributed._infer_torch_distributed_launch_init = infer


def copy_checkpoints_whole() -> None:
    """fairseq writes one checkpoint whole and copies it over checkpoint_last.pt in place: a run that is killed meanwhile
    leaves half a file, and never starts again.  The copy gets its name when it is complete."""
    original = PathManager.copy
    if original is _copy_whole:
        return
    _copy_whole.elsewhere = original  # type: ignore[attr-defined]
    PathManager.copy = staticmethod(_copy_whole)


def _copy_whole(src_path: str, dst_path: str, overwrite: bool = False) -> Any:
    if not PathManager.supports_rename(dst_path):
        return _copy_whole.elsewhere(src_path, dst_path, overwrite)  # type: ignore[attr-defined]
    unfinished = f"{dst_path}.tmp"
    shutil.copyfile(src_path, unfinished)
    os.replace(unfinished, dst_path)
    return dst_path


def end_reading_at_exit() -> None:
    """fairseq reads batches ahead in a daemon thread.  At exit, Python kills such a thread wherever it is; inside torch's
    C++ code that aborts the process ("terminate called without an active exception", exit code -6) when all is done."""
    atexit.unregister(end_reading)
    atexit.register(end_reading)


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
