"""A run that is killed again and again, at any moment, ends as one that nothing touches."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from statistics import median

import psutil
import pytest
import torch

from fairseq_budget.checkpoints.run_state import ledger_of
from tests.integration.conftest import Training, check
from tests.integration.test_resume import assert_same_end

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KILLS = 200
OPTIONS = (
    *("task.budget.flops=null", "task.budget.updates=1200", "task.checkpoints=8"),
    *("checkpoint.save_interval_updates=2", "dataset.validate_interval_updates=0"),
)


def run_and_time_the_start(training: Training) -> float:
    """Train to the end; the seconds until the first checkpoint, so that kills hit the start on any machine."""
    began = time.monotonic()
    with training.start(*OPTIONS) as process:
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


def test_two_hundred_kills(corpus: Path, tmp_path: Path) -> None:
    """From the command's first second to the last rename."""
    whole, killed = (Training(corpus / "data", tmp_path / name, "hubert") for name in ("whole", "killed"))
    start = run_and_time_the_start(whole)
    moments, kills, reached, training = random.Random(0), 0, [0], []
    while kills < KILLS and reached[-1] < 1200:
        logged = killed.updates_logged()
        with killed.start(*OPTIONS) as process:
            wait_for_a_moment(process, killed, moments, start)
            if process.poll() is None:
                if killed.updates_logged() > logged:
                    training.append(needs(process))
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
        if killed.checkpoint.is_file():
            ledger = ledger_of(torch.load(killed.checkpoint))
            assert ledger is not None
            reached.append(ledger["updates"])
    assert reached == sorted(reached), "nothing that was saved is lost"
    check(killed.run(*OPTIONS))
    assert_same_end(killed, whole)
    assert_kept_checkpoints(killed)
    lines = ["resident_mib,open_files", *(f"{memory:.1f},{files}" for memory, files in training)]
    (tmp_path / "needs.csv").write_text("\n".join(lines))  # to be drawn
    memory, files = zip(*training, strict=True)
    assert_flat(list(memory), "MiB of resident memory")
    assert_flat(list(files), "open files")
    print(f"{kills} kills, {reached[-1]} updates reached before the last turn")


def assert_kept_checkpoints(training: Training) -> None:
    """Eight, each with the updates that its name tells."""
    expected = {f"checkpoint_at_{150 * share}_updates.pt": 150 * share for share in range(1, 9)}
    found = {path.name: ledger_of(torch.load(path)) for path in training.checkpoint.parent.glob("checkpoint_at_*")}
    assert {name: ledger and ledger["updates"] for name, ledger in found.items()} == expected
