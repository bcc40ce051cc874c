"""A run that is killed again and again, at any moment, ends as one that nothing touches."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from statistics import median

import pandas as pd
import psutil
import pytest
import torch

from fairseq_budget.checkpoints.run_state import ledger_of
from tests.integration.conftest import Training
from tests.integration.test_resume import assert_same_end

pytestmark = [pytest.mark.integration, pytest.mark.slow]

HOURS = float(os.environ.get("HOURS_OF_KILLS", "0"))
"""Kill for at least so long; `test_two_hundred_kills` alone takes a quarter of an hour."""
KILLS = 200
UPDATES = 1200 if not HOURS else 400 * math.ceil(9 * HOURS)
"""More than a run reaches between the kills."""
OPTIONS = (
    *("task.budget.flops=null", f"task.budget.updates={UPDATES}", "task.checkpoints=8"),
    *("checkpoint.save_interval_updates=2", "dataset.validate_interval_updates=0"),
)


def run_and_time_the_start(training: Training) -> float:
    """Train to the end; the seconds until the first checkpoint, so that kills hit the start on any machine."""
    began = time.monotonic()
    with training.start_cold(*OPTIONS) as process:
        while process.poll() is None and not training.checkpoint.is_file():
            time.sleep(0.05)
        start = time.monotonic() - began
        assert process.wait() == 0
    return start


def wait_for_a_moment(process: subprocess.Popen[bytes], training: Training, moments: random.Random, start: float) -> None:
    """Every other time somewhere in the start, otherwise after some updates of this turn."""
    if moments.random() < 0.5:
        time.sleep(moments.uniform(0, start))
        return
    goal = training.updates_logged() + moments.randint(1, 5)
    while process.poll() is None and training.updates_logged() < goal:
        time.sleep(0.02)
    time.sleep(moments.uniform(0, 0.3))


def needs(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """Resident memory in MiB and open files of a process."""
    seen = psutil.Process(process.pid)
    return seen.memory_info().rss / 2**20, seen.num_fds()


def assert_flat(values: list[float], what: str) -> None:
    """The last quarter needs no more than the first: a tenth for what allocators do."""
    quarter = len(values) // 4
    first, last = median(values[:quarter]), median(values[-quarter:])
    print(f"{what}: {first:.0f} in the first quarter of {len(values)} turns, {last:.0f} in the last")
    assert last <= 1.1 * first, what


def updates_saved(training: Training) -> int:
    """In the newest checkpoint; 0 without one."""
    if not training.checkpoint.is_file():
        return 0
    ledger = ledger_of(torch.load(training.checkpoint))
    assert ledger is not None
    return int(ledger["updates"])


def draw(turns: pd.DataFrame, path: Path) -> None:
    """Memory and open files when each turn was killed."""
    axes = turns.plot(x="hours", y=["resident_mib", "open_files"], subplots=True, style=".", figsize=(8, 5))
    for axis in axes:
        axis.set_ylim(bottom=0)
    axes[0].figure.savefig(path)


def test_two_hundred_kills(corpus: Path, tmp_path: Path) -> None:
    """From the command's first second to the last rename; ``HOURS_OF_KILLS=2`` goes on for two hours."""
    whole, killed = (Training(corpus / "data", tmp_path / name, "hubert") for name in ("whole", "killed"))
    start = run_and_time_the_start(whole)
    moments, kills, reached, began = random.Random(0), 0, [0], time.monotonic()
    table = tmp_path / "turns.csv"
    table.write_text("hours,updates,resident_mib,open_files\n")
    while (kills < KILLS or time.monotonic() < began + 3600 * HOURS) and reached[-1] < UPDATES:
        logged = killed.updates_logged()
        with killed.start_cold(*OPTIONS) as process:
            wait_for_a_moment(process, killed, moments, start)
            if process.poll() is None:
                if killed.updates_logged() > logged:
                    memory, files = needs(process)
                    with table.open("a") as rows:
                        print((time.monotonic() - began) / 3600, reached[-1], memory, files, sep=",", file=rows)
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
        reached.append(updates_saved(killed))
    assert reached == sorted(reached), "nothing that was saved is lost"
    with killed.start_cold(*OPTIONS) as process:
        assert process.wait() == 0
    assert_same_end(killed, whole)
    assert_kept_checkpoints(killed)
    turns = pd.read_csv(table)
    draw(turns, tmp_path / "turns.png")
    assert_flat(list(turns.resident_mib), "MiB of resident memory")
    assert_flat(list(turns.open_files), "open files")
    print(f"{kills} kills, {reached[-1]} updates reached before the last turn")


def assert_kept_checkpoints(training: Training) -> None:
    """Eight, each with the updates that its name tells."""
    shares = [UPDATES * share // 8 for share in range(1, 9)]
    expected = {f"checkpoint_at_{share}_updates.pt": share for share in shares}
    found = {path.name: ledger_of(torch.load(path)) for path in training.checkpoint.parent.glob("checkpoint_at_*")}
    assert {name: ledger and ledger["updates"] for name, ledger in found.items()} == expected
