"""``python -m s3prl_upstreams.run_downstream ARGUMENTS``: s3prl's own launcher, with our upstreams, on today's packages.

ARGUMENTS are those of ``python -m s3prl.run_downstream``, whose ``main`` is called as it is; ``--allow-incomplete``, to go
on where files of the corpus are missing, which marks the score; ``--one-by-one``, to run the upstream on one utterance at a
time, for those whose features padded batches change; and ``--cache {auto,fp32,fp16,off}``, ``--cache-gib`` and
``--cache-dir`` of the store of hidden states.  The experiment folder then holds ``scores.jsonl``, every number measured on a
development or test split, and after training ``record.json``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from fairseq_budget.errors import BudgetError
from s3prl_upstreams import checks, completeness, final, record, scores
from s3prl_upstreams.host import compat, hub, stored
from s3prl_upstreams.host import runner as host_runner
from s3prl_upstreams.upstreams.batches import ONE_BY_ONE, padding_effect
from s3prl_upstreams.upstreams.hubconf import UPSTREAMS

Settings = tuple[argparse.Namespace, dict[str, Any], list[str]]
"""s3prl's arguments, its configuration, and the files it backs up"""
FLAGS = (completeness.FLAG, "--one-by-one")
"""Arguments that s3prl doesn't have."""


class Observer:
    """Checks and remembers the settings of a run between s3prl's reading them and its using them."""

    def __init__(
        self, read_settings: Callable[[], Settings], allow_incomplete: bool = False, one_by_one: bool = False
    ) -> None:
        self.read_settings, self.allow_incomplete, self.one_by_one = read_settings, allow_incomplete, one_by_one
        self.padding: float | None = None
        self.args = argparse.Namespace()
        self.config: dict[str, Any] = {}
        # tensorboardX would close them at exit, when Python 3.12 starts no thread any more and an error gets a traceback
        self.writers = ExitStack()

    def __call__(self) -> Settings:
        """s3prl's settings, checked; BudgetError for those that cannot work."""
        try:
            self.args, self.config, files = self.read_settings()
        except FileNotFoundError as error:
            wanted = "`-e` and `-i` want a checkpoint that a run has saved"
            if not str(error.filename).endswith(".ckpt"):
                wanted = "add `-c FILE`, such as `-c recipes/superb/ks.yaml`"
            raise BudgetError(f"no file `{error.filename}`: {wanted}") from error
        except yaml.YAMLError as error:
            raise BudgetError(f"the recipe given with `-c` is no YAML: {' '.join(str(error).split())[:200]}") from error
        except (KeyError, AttributeError, TypeError, AssertionError) as error:
            reason = f"{type(error).__name__}: {str(error)[:100]}"
            raise BudgetError(
                f"s3prl can't take its settings from {_evaluated(sys.argv[1:])} ({reason}): "
                "`-e` wants a checkpoint that a run of s3prl has saved, `-o` options such as `config.a.b=1`"
            ) from error
        checks.refuse_all_but_data(self.args, self.config)
        if self.one_by_one:
            self.config[ONE_BY_ONE] = True
        checks.prepare(self.args, self.config, self.allow_incomplete)
        self.record_scores()
        return self.args, self.config, files

    @property
    def checkpoint(self) -> str | None:
        """The name of the checkpoint that is evaluated; None while training, and where there is none."""
        return Path(self.args.init_ckpt).name if self.args.mode != "train" and self.args.init_ckpt else None

    def record_scores(self) -> None:
        """Have s3prl's runner write ``scores.jsonl``; a run that isn't resumed begins a new one."""
        folder = Path(self.args.expdir)
        if self.args.mode == "train" and not self.args.past_exp:
            (folder / scores.FILE).unlink(missing_ok=True)
        runner = importlib.import_module("s3prl.downstream.runner")
        tensorboard = importlib.import_module("tensorboardX").SummaryWriter
        writer = scores.recording(tensorboard, folder, self.checkpoint)
        self.writers.callback(setattr, runner, "SummaryWriter", runner.SummaryWriter)
        runner.SummaryWriter = lambda *args: self.writers.enter_context(writer(*args))

    def measuring(self, runner: type) -> type:
        """A subclass of s3prl's runner that notices what padded batches do to features of upstreams that aren't ours."""

        def measured(run: Any) -> Any:
            entry = runner._get_upstream(run)  # type: ignore[attr-defined]
            if self.args.upstream not in UPSTREAMS and not self.config.get(ONE_BY_ONE):
                self.padding = padding_effect(entry.model, self.args.device)
            return entry

        return type(runner.__name__, (runner,), {"_get_upstream": measured})


def main() -> int:
    """Run s3prl's launcher; an error meant for the user becomes one line, and 2 is returned."""
    try:
        run(sys.argv[1:])
    except BudgetError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def run(arguments: list[str]) -> None:
    """Prepare the process, call s3prl, compute the scores it leaves to others, and write the record."""
    hide_gpus_from_cpu_runs(arguments)
    compat.apply()
    hub.install()
    from s3prl import run_downstream as launcher

    # s3prl's parser knows none of them
    options, others = stored.take_options(sys.argv[1:])
    flags = [flag in others for flag in FLAGS]
    sys.argv[1:] = [word for word in others if word not in FLAGS]
    observer = launcher.get_downstream_args = Observer(launcher.get_downstream_args, *flags)
    launcher.Runner = stored.with_options(observer.measuring(host_runner.fitted().Runner), options)
    started = time.monotonic()
    with observer.writers:
        launcher.main()
    args, config = observer.args, observer.config
    if args.mode == "train":
        command = shlex.join(["python", "-m", "s3prl_upstreams.run_downstream", *arguments])
        record.write(args, config, time.monotonic() - started, command, observer.padding)
    elif args.mode == "evaluate":
        final.score(args, config, observer.checkpoint)
        record.add_test(args, config)


def hide_gpus_from_cpu_runs(arguments: list[str]) -> None:
    """With ``--device cpu``, s3prl's evaluation still enters the CUDA device "cpu" when the machine has a GPU, and fails."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--device", default="cuda")
    if parser.parse_known_args(arguments)[0].device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def _evaluated(arguments: list[str]) -> str:
    """What ``-e`` or ``-c`` names, for a message."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-e", "--past_exp")
    parser.add_argument("-c", "--config")
    known = parser.parse_known_args(arguments)[0]
    return f"`{known.past_exp or known.config}`"


def one_line(error: BudgetError) -> str:
    """The message alone; one that comes from a process that reads audio has that process's traceback before it."""
    last = str(error).strip().splitlines()[-1]
    return last.removeprefix(f"{BudgetError.__module__}.{BudgetError.__qualname__}: ")


if __name__ == "__main__":
    sys.exit(main())
