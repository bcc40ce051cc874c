"""Hydra's sweeper for runs that are no grid: ``-m hydra/sweeper=run_list hydra.sweeper.runs=FILE``.

A line of the file has the overrides of one run, quoted as in a shell; ``hydra.sweep.subdir=NAME`` among them names its
folder.  Whatever launcher Hydra has, it gets all runs at once.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig, OmegaConf

from fairseq_budget.mistakes.composing import Told

# no dataclass: Hydra executes this module before Python lists it, and dataclasses look their module up
SETTINGS = {"_target_": "hydra_plugins.run_list.RunListSweeper", "runs": MISSING}
ConfigStore.instance().store(group="hydra/sweeper", name="run_list", node=SETTINGS, provider="fairseq_budget")


class RunListSweeper(Sweeper):
    """Every line of a file as a job, after the overrides that the command line gives to all."""

    def __init__(self, runs: str) -> None:
        self.runs = Path(runs)
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """All runs; that of a run which fails is raised when all have ended, as with Hydra's own sweeper."""
        assert self.config is not None and self.launcher is not None  # noqa: S101 - Hydra calls setup first
        jobs = [[*arguments, *line] for line in read_runs(self.runs)]
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        self.validate_batch_is_legal(jobs)
        results = self.launcher.launch(jobs, initial_job_idx=0)
        return [[result.return_value for result in results]]


def read_runs(path: Path) -> list[list[str]]:
    """The overrides of each run; empty lines and what follows a # count for nothing.

    Raises:
        Told: no such file, an open quote, or no run.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Told(f"`hydra.sweeper.runs={path}` cannot be read ({error.strerror})") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise Told(f"{path}:{number}: {error}: {line}") from None
        if words:
            found.append(words)
    if not found:
        raise Told(f"`hydra.sweeper.runs={path}` has no run: give a line of overrides for each")
    return found
