"""Where a run is: a line now and then, with the time that is left, and the same in a file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.plugin.run.progress import Progress
from fairseq_budget.records.progress import FILE, read_progress


def test_a_line_now_and_then(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Updates of a second and a TFLOP, of 400: the first line after ten seconds, then one a minute."""
    caplog.set_level(logging.INFO)
    now = 0.0
    progress = Progress({"flops": 4e14}, tmp_path, lambda: now)
    for update in range(1, 101):
        now = float(update)
        ledger = Ledger(flops=update * 10**12, samples=update * 16_000 * 36, updates=update)
        progress.tell(update / 400, ledger, lambda: 4.5)
    assert caplog.messages == [
        "2.8% of 400.00 TFLOP: 11 updates, 11.00 TFLOP, 6.6 min heard, 1.00 TFLOP/s, 6.48 min left, loss 4.500",
        "17.8% of 400.00 TFLOP: 71 updates, 71.00 TFLOP, 42.6 min heard, 1.00 TFLOP/s, 5.48 min left, loss 4.500",
    ]
    told = read_progress(tmp_path / FILE)
    assert told is not None
    assert (told.share, told.updates, told.flops_per_second, told.loss) == (99 / 400, 99, 1e12, 4.5)
    assert told.seconds_left == pytest.approx(301)


def test_a_process_counts_its_own_speed(caplog: pytest.LogCaptureFixture) -> None:
    """A run that goes on from half of its budget isn't twice as fast."""
    caplog.set_level(logging.INFO)
    now = 0.0
    progress = Progress({"updates": 100.0}, None, lambda: now)
    for update in range(51, 63):
        now = float(update)
        progress.tell(update / 100, Ledger(flops=update * 10**9, updates=update), lambda: None)
    assert caplog.messages == ["61.0% of 100 updates: 61 updates, 61.00 GFLOP, 0.0 s heard, 1.00 GFLOP/s, 39.0 s left"]


@pytest.mark.parametrize("text", ["", "[]", '{"share": "half"}', "{"])
def test_a_damaged_file_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_progress(tmp_path / FILE) is None
    assert read_progress(tmp_path / "none") is None
