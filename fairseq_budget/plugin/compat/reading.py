"""fairseq's reading: checkpoints and settings are data, whoever wrote them."""

from __future__ import annotations

import argparse
import functools
import sys
import types
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.data import Dictionary
from fairseq.file_io import PathManager

from fairseq_budget.arithmetic.literal import read_literal
from fairseq_budget.checkpoints.digest import check_digest
from fairseq_budget.checkpoints.safe_load import load_run, readable
from fairseq_budget.plugin.errors import user_errors


def allow_checkpoint_classes() -> bool:
    """torch.load reads only listed classes since 2.6; fairseq's checkpoints may hold these, which only store data."""
    torch.serialization.add_safe_globals([argparse.Namespace, Dictionary])
    return True


def read_checkpoints_as_data() -> bool:
    """fairseq doesn't ask whether a checkpoint is what was written, nor whether reading it ends."""
    if not hasattr(checkpoint_utils.load_checkpoint_to_cpu, "__wrapped__"):
        checkpoint_utils.load_checkpoint_to_cpu = _load(checkpoint_utils.load_checkpoint_to_cpu)
    return True


def _load(original: Any) -> Any:
    @functools.wraps(original)
    def load(path: str, *args: Any, **kwargs: Any) -> Any:
        with user_errors():
            local = Path(PathManager.get_local_path(path))
            check_digest(load_run(local), local)
            with readable(local):
                return original(path, *args, **kwargs)

    return load


def evaluate_literals_only() -> bool:
    """fairseq evaluates betas, convolutions and lines of manifests as code; they only need to be lists of numbers."""
    for name, module in list(sys.modules.items()):
        if name.startswith("fairseq.") and isinstance(module, types.ModuleType):
            module.eval = _literal  # type: ignore[attr-defined]
    return True


def _literal(text: str) -> Any:
    with user_errors():
        return read_literal(text)
