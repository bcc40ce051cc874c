"""``fairseq-budget watch``: a progress bar out of fairseq's or s3prl's output."""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fairseq_budget.arithmetic.units import human_flops

FAIRSEQ_STATS = re.compile(r"\[(train_inner|valid)\]\[INFO\] - (\{.*\})$")
SWEEP = re.compile(r"\[HYDRA\] .*[Ll]aunching (\d+) jobs")
S3PRL_STEPS = re.compile(r"overall:.*\| (\d+)/(\d+) \[")
S3PRL_SCORE = re.compile(r"^(\w+ \w+): ([0-9.]+)$")
NOISE = re.compile(
    r"^\[|^DEBUG:|Warning|^ |^$|it/s\]|s/it\]|^Config search path|^\tprovider=|^Error executing"
    r"|^Set the environment variable"
)
"""Lines that don't say why a run failed: logs, warnings, the printed model, progress bars, Hydra's advice."""

LINES_OF_AN_ERROR = 15


class Run:
    """What is known of a run from the lines of its output so far."""

    def __init__(self) -> None:
        self.stats: dict[str, str] = {}
        self.steps, self.total_steps = 0, 0
        self.scores: dict[str, str] = {}
        self.spent_before = False
        self.runs, self.ended = 1, 0
        self.unexplained: deque[str] = deque(maxlen=LINES_OF_AN_ERROR)

    def read(self, line: str) -> None:
        """Take in one line."""
        if found := FAIRSEQ_STATS.search(line):
            self.stats |= json.loads(found[2])
        elif found := SWEEP.search(line):
            self.runs = int(found[1])
        elif found := S3PRL_STEPS.search(line):
            self.steps, self.total_steps = int(found[1]), int(found[2])
        elif "nothing is left to do" in line:
            self.spent_before = True
        elif "done training in" in line:
            self.ended += 1
            self.unexplained.clear()
        elif found := S3PRL_SCORE.search(line):
            self.scores[found[1]] = f"{float(found[2]):.4g}"
        elif not NOISE.search(line):
            self.unexplained.append(line)

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        if self.runs > 1:
            return self.ended / self.runs
        if self.total_steps:
            return self.steps / self.total_steps
        return min(float(self.stats.get("budget_share", 0)), 1.0)

    @property
    def told(self) -> str:
        """What stands beside its name while it runs."""
        if self.runs > 1:
            return f"  {self.ended} of {self.runs} runs"
        return f"  loss {self.stats['loss']}" if "loss" in self.stats else ""

    def summary(self) -> str:
        """One line on how the run ended, or the last lines that may say why it failed."""
        if self.total_steps and self.steps == self.total_steps:
            return ", ".join([f"{self.steps} of {self.total_steps} steps", *map(" ".join, self.scores.items())])
        if self.unexplained:
            return "\n".join(self.unexplained)
        if self.runs > 1:
            return f"{self.ended} of {self.runs} runs ended"
        if self.spent_before:
            return "the budget was spent before"
        if "flops" not in self.stats:
            return "nothing was logged"
        spent = f"{human_flops(float(self.stats['flops']))} ({100 * float(self.stats['budget_share']):.1f}% of the budget)"
        heard = f"{float(self.stats['hours_heard']):.3f} h heard"
        losses = f"training loss {self.stats['loss']}, validation loss {self.stats.get('valid_loss', 'not measured')}"
        return f"{spent}, {heard}, {losses}"


def watch(name: Annotated[str, typer.Argument(help="What the run is called, such as `hubert slim`.")] = "run") -> None:
    """Show how far a run is, from its output on standard input.

    Use: fairseq-hydra-train ... 2>&1 | fairseq-budget watch, or the same with s3prl's run_downstream.
    """
    console = Console(stderr=True)
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), *times)
    run = Run()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=1.0)
        for line in sys.stdin:
            ended = run.ended
            run.read(line.rstrip())
            if run.ended > ended and run.runs > 1 and not console.is_terminal:
                console.print(f"{name}:{run.told}", highlight=False, markup=False, soft_wrap=True)
            progress.update(bar, completed=run.share, description=name + run.told)
    console.print(f"{name}: {run.summary()}", highlight=False, markup=False, soft_wrap=True)
