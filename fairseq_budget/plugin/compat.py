"""What unmodified fairseq needs to run on current Python and torch; each fix does nothing where it isn't needed."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.data import Dictionary
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager

from fairseq_budget.arithmetic.literal import read_literal
from fairseq_budget.checkpoints.digest import check_digest
from fairseq_budget.checkpoints.safe_load import load_run, readable
from fairseq_budget.plugin.errors import user_errors


def apply() -> None:
    """Apply every fix; calling it again changes nothing."""
    allow_checkpoint_classes()
    read_checkpoints_as_data()
    evaluate_literals_only()
    broadcast_any_object()
    gather_without_cuda()
    place_cpu_ranks()
    copy_checkpoints_whole()


def allow_checkpoint_classes() -> None:
    """torch.load reads only listed classes since 2.6; fairseq's checkpoints may hold these, which only store data."""
    torch.serialization.add_safe_globals([argparse.Namespace, Dictionary])


def read_checkpoints_as_data() -> None:
    """fairseq doesn't ask whether a checkpoint is what was written, nor whether reading it ends."""
    original = checkpoint_utils.load_checkpoint_to_cpu
    if getattr(original, "as_data", False):
        return

    def load(path: str, *args: Any, **kwargs: Any) -> Any:
        with user_errors():
            local = Path(PathManager.get_local_path(path))
            check_digest(load_run(local), local)
            with readable(local):
                return original(path, *args, **kwargs)

    load.as_data = True  # type: ignore[attr-defined]
    checkpoint_utils.load_checkpoint_to_cpu = load


def evaluate_literals_only() -> None:
    """fairseq evaluates betas, convolutions and lines of manifests as code; they only need to be lists of numbers."""
    for name, module in list(sys.modules.items()):
        if name.startswith("fairseq.") and isinstance(module, types.ModuleType):
            module.eval = _literal  # type: ignore[attr-defined]


def _literal(text: str) -> Any:
    with user_errors():
        return read_literal(text)


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
