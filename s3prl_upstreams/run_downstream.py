"""``python -m s3prl_upstreams.run_downstream ARGUMENTS``: s3prl's own launcher, with our upstreams, on today's packages.

ARGUMENTS are those of ``python -m s3prl.run_downstream``, whose ``main`` is called as it is.  After a training run there is
a ``record.json`` in its experiment folder.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from s3prl_upstreams import checks, compat, hub, record

Settings = tuple[argparse.Namespace, dict[str, Any], list[str]]
"""s3prl's arguments, its configuration, and the files it backs up"""


class Observer:
    """Checks and remembers the settings of a run between s3prl's reading them and its using them."""

    def __init__(self, read_settings: Callable[[], Settings]) -> None:
        self.read_settings = read_settings
        self.args = argparse.Namespace()
        self.config: dict[str, Any] = {}
        self.log_start = 0

    def __call__(self) -> Settings:
        """s3prl's settings, checked; BudgetError for those that cannot work."""
        try:
            self.args, self.config, files = self.read_settings()
        except FileNotFoundError as error:
            raise BudgetError(f"no file `{error.filename}`: add `-c FILE`, such as `-c recipes/superb/ks.yaml`") from error
        checks.prepare(self.args, self.config)
        if self.log.exists() and not self.args.past_exp:
            self.log_start = self.log.stat().st_size  # s3prl appends to the log of an earlier run in the same folder
        return self.args, self.config, files

    @property
    def log(self) -> Path:
        """The run's ``log.log``."""
        return Path(self.args.expdir, "log.log")

    def written_log(self) -> str:
        """What this run, with those that it resumed, wrote to its log."""
        return self.log.read_bytes()[self.log_start :].decode() if self.log.exists() else ""


def main() -> int:
    """Run s3prl's launcher; an error meant for the user becomes one line, and 2 is returned."""
    try:
        run(sys.argv[1:])
    except BudgetError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def run(arguments: list[str]) -> None:
    """Prepare the process, call s3prl, and write the record if it trained."""
    hide_gpus_from_cpu_runs(arguments)
    compat.apply()
    hub.install()
    from s3prl import run_downstream as launcher

    observer = launcher.get_downstream_args = Observer(launcher.get_downstream_args)
    started = time.monotonic()
    launcher.main()
    if observer.args.mode == "train":
        command = shlex.join(["python", "-m", "s3prl_upstreams.run_downstream", *arguments])
        seconds = time.monotonic() - started
        record.write(observer.args, observer.config, observer.written_log(), seconds, command)


def hide_gpus_from_cpu_runs(arguments: list[str]) -> None:
    """With ``--device cpu``, s3prl's evaluation still enters the CUDA device "cpu" when the machine has a GPU, and fails."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--device", default="cuda")
    if parser.parse_known_args(arguments)[0].device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def one_line(error: BudgetError) -> str:
    """The message alone; one that comes from a process that reads audio has that process's traceback before it."""
    last = str(error).strip().splitlines()[-1]
    return last.removeprefix(f"{BudgetError.__module__}.{BudgetError.__qualname__}: ")


if __name__ == "__main__":
    sys.exit(main())
