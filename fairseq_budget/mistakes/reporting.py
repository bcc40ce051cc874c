"""Prints an error for the user as its line alone."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from typing import Any, cast

from hydra._internal import utils
from hydra._internal.hydra import Hydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import SearchPathException
from hydra.types import RunMode
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from fairseq_budget.errors import BudgetError
from fairseq_budget.mistakes.composing import Told

_RESOLVING = "raised while resolving interpolation: "


def report_in_one_line() -> None:
    """Hydra follows an error with advice to ask for its traceback, and begins it with all overrides."""
    if not hasattr(utils.run_and_report, "__wrapped__"):
        module, hydra, result = cast(Any, utils), cast(Any, Hydra), cast(Any, JobReturn)
        module.run_and_report = _report(module.run_and_report)
        hydra.run = _run(hydra.run)
        result.return_value = _without_overrides(result.return_value)


def _report(original: Any) -> Any:
    @functools.wraps(original)
    def run_and_report(function: Any) -> Any:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            return original(function)
        try:
            return function()
        except Exception as error:
            told = line_of(error)
            if told is None:
                return original(functools.partial(_raise, error))
        sys.stderr.write(f"{told}\n")
        sys.exit(1)

    return run_and_report


def _raise(error: Exception) -> None:
    raise error


def line_of(error: Exception) -> str | None:
    """What to tell the user; None for what isn't known to be the user's to mend."""
    if isinstance(error, BudgetError | Told):
        return str(error)
    if isinstance(error, SearchPathException):
        return f"{error}: `fairseq-budget recipes` prints where the recipes lie"
    if isinstance(error, InterpolationResolutionError) and _RESOLVING in str(error):
        return str(error).partition(_RESOLVING)[2].splitlines()[0]
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"`{error.full_key}` is needed: add `{error.full_key}=...`"
    if isinstance(error, RuntimeError) and 'Could not detect "srun"' in str(error):
        return "`cluster=slurm` needs Slurm's `srun`, which isn't on this machine's path: start it on a login node"
    if isinstance(error, OSError) and not _is_fairseqs(error):
        return f"`{error.filename}` can't be made ({error.strerror}): give another `hydra.run.dir` or `hydra.sweep.dir`"
    return None


def _is_fairseqs(error: Exception) -> bool:
    """Whether it comes from what the command does; else from the folders that Hydra makes before."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return any({"fairseq", "fairseq_cli"} & set(file.split(os.sep)) for file in files[1:])


def _run(original: Any) -> Any:
    """Without -m, no launcher is asked: a run that is meant for Slurm would train on the login node."""

    @functools.wraps(original)
    def run(
        self: Hydra, config_name: str | None, task_function: Any, overrides: list[str], *args: Any, **settings: Any
    ) -> Any:
        if "cluster=slurm" in overrides:
            raise Told("`cluster=slurm` starts the jobs of a multirun: add `-m`, or leave it out to train here")
        return original(self, config_name, task_function, overrides, *args, **settings)

    return run


def _without_overrides(original: Any) -> property:
    def return_value(self: JobReturn) -> Any:
        is_users = self.status == JobStatus.FAILED and line_of(self._return_value) is not None
        if is_users and self.hydra_cfg is not None and self.hydra_cfg.hydra.mode == RunMode.RUN:
            raise self._return_value  # of one run, its command tells them
        return original.fget(self)

    return property(return_value, original.fset)
