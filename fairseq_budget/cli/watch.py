"""``fairseq-budget watch``: a progress bar out of fairseq's log."""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fairseq_budget.arithmetic.units import human_flops

STATS = re.compile(r"\[(train_inner|valid)\]\[INFO\] - (\{.*\})$")
NOISE = re.compile(r"^\[|^DEBUG:|Warning|^ |^$|^Error executing job|^Set the environment variable")
"""Lines that don't say why a run failed: logs, warnings, the printed model, Hydra's advice."""

LINES_OF_AN_ERROR = 15


def watch(name: Annotated[str, typer.Argument(help="What the run is called, such as `hubert slim`.")] = "training") -> None:
    """Read the output of fairseq-hydra-train from standard input and show how much of the budget is spent.

    Use: fairseq-hydra-train ... 2>&1 | fairseq-budget watch
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}% of the budget"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        bar = progress.add_task(name, total=1.0)
        last: dict[str, str] = {}
        error: deque[str] = deque(maxlen=LINES_OF_AN_ERROR)
        for line in sys.stdin:
            if found := STATS.search(line.rstrip()):
                last |= json.loads(found[2])
                share = min(float(last.get("budget_share", 0)), 1.0)
                progress.update(bar, completed=share, description=f"{name}  loss {last.get('loss', '...')}")
            elif "nothing is left to do" in line:
                last["finished"] = "before"
            elif "done training in" in line:
                error.clear()
            elif not NOISE.search(line):
                error.append(line.rstrip())
    for line in error:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not error:
        console.print(f"{name}: {summary(last)}", highlight=False, soft_wrap=True)


def summary(stats: dict[str, str]) -> str:
    """One line on how a run ended."""
    if "finished" in stats:
        return "the budget was spent before"
    if "flops" not in stats:
        return "no update was logged"
    spent = f"{human_flops(float(stats['flops']))} ({100 * float(stats['budget_share']):.1f}% of the budget)"
    losses = f"training loss {stats['loss']}, validation loss {stats.get('valid_loss', 'not measured')}"
    return f"{spent}, {float(stats['hours_heard']):.3f} h heard, {losses}"
