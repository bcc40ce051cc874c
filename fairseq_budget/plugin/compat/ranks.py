"""fairseq's ranks on current torch, on machines without a GPU, and when they are asked to stop."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
from types import FrameType
from typing import Any

import torch
from fairseq.distributed import utils as distributed
from fairseq.models import distributed_fairseq_model

from fairseq_budget.plugin.errors import StopRun, UserError
from fairseq_budget.plugin.run.signals import STOPPING, early

USER_ERRORS = {f"{kind.__module__}.{kind.__qualname__}" for kind in (UserError, StopRun)}


def broadcast_any_object() -> bool:
    """When several ranks continue a run, one reads the checkpoint and sends it to the others, who unpack it with
    torch.load: since 2.6 that refuses the configuration in it.  torch's own way to send objects doesn't."""
    distributed._broadcast_object_slow = _broadcast_object
    return True


def _broadcast_object(obj: Any, src_rank: int, group: Any, dist_device: torch.device) -> Any:
    sent = [obj]
    torch.distributed.broadcast_object_list(sent, src=src_rank, group=group, device=dist_device)
    return sent[0]


def gather_without_cuda() -> bool:
    """`all_gather_list` keeps its buffer on a GPU; on machines without one, torch gathers objects through gloo."""
    if torch.cuda.is_available():
        return False
    distributed.all_gather_list = _all_gather_objects
    return True


def _all_gather_objects(data: Any, group: Any = None, max_size: int = 16384) -> list[Any]:
    group = distributed.get_global_group() if group is None else group
    gathered: list[Any] = [None] * distributed.get_world_size(group=group)
    torch.distributed.all_gather_object(gathered, data, group=group)
    return gathered


def place_cpu_ranks() -> bool:
    """Under torchrun, a rank's device is its rank modulo the number of GPUs: a division by zero where there is none."""
    original = distributed._infer_torch_distributed_launch_init
    if torch.cuda.is_available():
        return False
    if getattr(original, "without_cuda", False):
        return True

    def infer(cfg: Any) -> None:
        device_count, torch.cuda.device_count = torch.cuda.device_count, lambda: 1
        try:
            original(cfg)
        finally:
            torch.cuda.device_count = device_count

    infer.without_cuda = True  # type: ignore[attr-defined]
    distributed._infer_torch_distributed_launch_init = infer
    return True


def overlap_on_cpu_ranks() -> bool:
    """`ddp_backend=pytorch_ddp` names the rank's device, which torch refuses for a model that is on the CPU."""
    original = distributed_fairseq_model.DistributedDataParallel
    if torch.cuda.is_available():
        return False
    if isinstance(original, type):
        distributed_fairseq_model.DistributedDataParallel = _without_devices(original)
    return True


def _without_devices(original: Any) -> Any:
    @functools.wraps(original, updated=())
    def wrap(*args: Any, **settings: Any) -> Any:
        return original(*args, **{**settings, "device_ids": None, "output_device": None})

    return wrap


def hand_signals_to_spawned_ranks() -> bool:
    """A command for several GPUs starts its ranks and waits.  A signal would end it, and they with it, without a checkpoint:
    it is handed to the ranks, and the command ends when they have.  What a rank tells the user is told once, and alone."""
    if not hasattr(torch.multiprocessing.spawn, "__wrapped__"):
        torch.multiprocessing.spawn = _spawn(torch.multiprocessing.spawn)
    return True


def _spawn(original: Any) -> Any:
    @functools.wraps(original)
    def spawn(fn: Any, args: Any = (), nprocs: int = 1, join: bool = True, **settings: Any) -> Any:
        if not join:
            return original(fn, args, nprocs, False, **settings)
        # ranks inherit the mask: a signal that reaches one before it can handle it waits until then
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            ranks = original(fn, args, nprocs or _cpu_ranks(args), False, **settings)
            handlers = {number: signal.signal(number, _hand_on) for number in STOPPING}
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if early.signal is not None:
            _hand_on(early.signal, None)
        try:
            while not ranks.join():
                pass
        except torch.multiprocessing.ProcessRaisedException as error:
            _tell_the_user(error)
            raise
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    return spawn


def _tell_the_user(error: Exception) -> None:
    """A rank's error comes as the text of its traceback; of one for the user, the last line is what it says.

    Raises:
        UserError: it is one.
    """
    name, _, told = str(error).strip().splitlines()[-1].partition(": ")
    if name in USER_ERRORS:
        raise UserError(told) from error


def _cpu_ranks(args: Any) -> int:
    """fairseq starts a rank for each GPU, and none where there is none; `args` are those of its `distributed_main`."""
    return int(args[1].distributed_training.distributed_world_size)


def _hand_on(number: int, frame: FrameType | None) -> None:
    early.pass_on(number)
    for rank in multiprocessing.active_children():
        if rank.pid is not None:
            os.kill(rank.pid, number)
