"""``python -m s3prl_upstreams.sweep task=ks upstream=budget_local checkpoint=PATH out=DIR``: one task, started by Hydra.

With ``--multirun`` and Hydra's launchers (joblib, submitit) tasks or trials spread over devices and nodes; a job is

- a task, whose learning rates share their passes: ``--multirun task=ks,asr,sd``
- or a trial: ``--multirun task=ks 'lr=[1e-1],[1e-2],[1e-3]' test=false``, after which the same settings with all the
  learning rates and without ``test=false`` choose among the trials and test.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from rich.console import Console

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.sweep.launch import sweep
from s3prl_upstreams.sweep.settings import RATES, tasks

CACHE = ("cache", "cache_gib", "cache_dir")
CONFIG = {
    "task": "???",
    "out": "???",  # every task has a folder in it
    "upstream": None,  # the one that reads the checkpoint
    "checkpoint": None,
    "lr": list(RATES),
    "device": "cuda",
    "seed": 1337,
    "steps": None,
    "halving": False,
    "test": True,
    **dict(zip(CACHE, ("auto", None, None), strict=True)),
    "override": [],  # s3prl's -o, such as config.runner.log_step=10
    "workers": None,
    "allow_incomplete": False,
    "one_by_one": False,
    "pool": True,
    "lstm_precision": "fp32",
    # a job's own files (Hydra's log and a copy of these settings) lie beside its results
    "hydra": {"run": {"dir": "${out}/hydra"}, "sweep": {"dir": "${out}/hydra", "subdir": "${hydra.job.num}"}},
}
ConfigStore.instance().store(name="sweep", node=CONFIG)


@hydra.main(version_base="1.3", config_path=None, config_name="sweep")
def main(config: DictConfig) -> None:
    """Do one task; an error meant for the user becomes one line."""
    common = {
        name: config[name]
        for name in (
            *("upstream", "device", "seed", "steps", "halving", "test", "workers", "allow_incomplete", "one_by_one", "pool"),
            "lstm_precision",
            *CACHE,
        )
    }
    common |= {"rates": tuple(config.lr), "command": shlex.join(["python", "-m", "s3prl_upstreams.sweep", *sys.argv[1:]])}
    try:
        todo = tasks([config.task], Path(config.out), config.checkpoint, list(config.override), **common)
        failed = [row for row in sweep(todo, Console(stderr=True)) if row.get("error")]
    except BudgetError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
