"""Weights and Biases, which fairseq begins once in a process, and by a name that all runs have."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from fairseq.logging import progress_bar


def name_wandb_runs() -> bool:
    """fairseq calls each by the last folder of ``checkpoint.save_dir``, `checkpoints`; here it is the run's folder."""
    if progress_bar.wandb is None:
        return False
    if not hasattr(progress_bar.progress_bar, "names_runs"):
        progress_bar.progress_bar = _named(progress_bar.progress_bar)
    return True


def _named(original: Any) -> Any:
    @functools.wraps(original)
    def make(*args: Any, wandb_run_name: str | None = None, **settings: Any) -> Any:
        name = os.environ.get("WANDB_NAME") or Path.cwd().name
        return original(*args, wandb_run_name=name, **settings)

    vars(make)["names_runs"] = True
    return make


def end_run() -> None:
    """Or the next run in this process would go on with it, and its files would lie in this one's folder."""
    if progress_bar.wandb is not None and progress_bar.wandb.run is not None:
        progress_bar.wandb.finish()
        progress_bar.wandb.teardown()
