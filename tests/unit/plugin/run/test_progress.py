"""Where a run is: a line now and then, with the time that is left, and the same in a file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.plugin.run.progress import Devices, Progress
from fairseq_budget.records.progress import FILE, read_progress


def test_a_line_now_and_then(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Updates of a second and a TFLOP, of 400: the first line after ten seconds, then one a minute."""
    caplog.set_level(logging.INFO)
    now = 0.0
    progress = Progress({"flops": 4e14}, tmp_path, Devices(), lambda: now)
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
    progress = Progress({"updates": 100.0}, None, Devices(), lambda: now)
    for update in range(51, 63):
        now = float(update)
        progress.tell(update / 100, Ledger(flops=update * 10**9, updates=update), lambda: None)
    assert caplog.messages == ["61.0% of 100 updates: 61 updates, 61.00 GFLOP, 0.0 s heard, 1.00 GFLOP/s, 39.0 s left"]


def test_price_and_share_of_peak(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two devices of 2 TFLOP/s, at 3 an hour each: half of the peak, and 6 an hour."""
    caplog.set_level(logging.INFO)
    now = 0.0
    progress = Progress({"updates": 7200.0}, tmp_path, Devices(2, price=3.0, peak=2e12), lambda: now)
    for update in range(1, 13):
        now = float(update)
        ledger = Ledger(flops=update * 2 * 10**12, updates=update, device_seconds=2.0 * update)
        progress.tell(update / 7200, ledger, lambda: 4.5)
    assert caplog.messages == [
        "0.2% of 7,200 updates: 11 updates, 22.00 TFLOP, 0.0 s heard, 2.00 TFLOP/s (50.0% of peak), 2.0 h left, "
        "loss 4.500, price 0.02 and 11.98 to come"
    ]
    told = read_progress(tmp_path / FILE)
    assert told is not None
    assert (told.peak_share, told.price) == (0.5, pytest.approx(6 * 11 / 3600))
    assert told.price_left == pytest.approx(6 * 7189 / 3600)


@pytest.mark.parametrize("text", ["", "[]", '{"share": "half"}', "{"])
def test_a_damaged_file_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_progress(tmp_path / FILE) is None
    assert read_progress(tmp_path / "none") is None
