"""A rank that makes no progress ends, and says where it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.warm_start import FAIRSEQ, warm

pytestmark = pytest.mark.integration

HANG = """
import time
from fairseq_budget.plugin.run.stalls import StallGuard
guard = StallGuard(MINUTES)
for _ in range(3):
    guard.progress()
    time.sleep(0.3)
END
def an_exchange_that_never_ends():
    time.sleep(WAIT)
an_exchange_that_never_ends()
"""


def hang(minutes: float | None, wait: float, end: str = "") -> subprocess.CompletedProcess[str]:
    code = HANG.replace("MINUTES", repr(minutes)).replace("WAIT", repr(wait)).replace("END", end)
    return warm(FAIRSEQ).run([sys.executable, "-c", code])


def test_its_stack_is_printed_and_the_job_ends() -> None:
    told = hang(0.5 / 60, 50)
    assert told.returncode == 1
    assert "an_exchange_that_never_ends" in told.stderr


def test_progress_and_the_end_of_a_run_keep_it_quiet() -> None:
    assert hang(0.5 / 60, 1, "guard.end()").returncode == 0
    assert hang(None, 1).returncode == 0
