"""A run that is killed again and again, at any moment, ends as one that nothing touches."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from fairseq_budget.checkpoints.run_state import ledger_of
from tests.integration.conftest import WIDE, Training, check
from tests.integration.test_resume import assert_same_end

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KILLS = 200
OPTIONS = (
    *("task.budget.flops=null", "task.budget.updates=400", "task.checkpoints=8"),
    *("checkpoint.save_interval_updates=2", "dataset.validate_interval_updates=0", WIDE),
)


def test_two_hundred_kills(corpus: Path, tmp_path: Path) -> None:
    """From the command's first second to the last rename; half of the kills hit the start."""
    whole, killed = (Training(corpus / "data", tmp_path / name, "hubert") for name in ("whole", "killed"))
    check(whole.run(*OPTIONS))
    moments, wasted, reached = random.Random(0), 0, []
    for _ in range(KILLS):
        with killed.start(*OPTIONS) as process:
            time.sleep(moments.uniform(0, 20))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                wasted += 1
        if killed.checkpoint.is_file():
            ledger = ledger_of(torch.load(killed.checkpoint))
            assert ledger is not None
            reached.append(ledger["updates"])
    assert reached == sorted(reached), "nothing that was saved is lost"
    check(killed.run(*OPTIONS))
    assert_same_end(killed, whole)
    names = [f"checkpoint_at_{50 * share}_updates.pt" for share in range(1, 9)]
    assert sorted(path.name for path in killed.checkpoint.parent.glob("checkpoint_at_*")) == sorted(names)
    for share, name in enumerate(names, start=1):
        kept = ledger_of(torch.load(killed.checkpoint.with_name(name)))
        assert kept is not None and kept["updates"] == 50 * share
    print(f"{KILLS - wasted} kills, {wasted} runs had ended before theirs")
