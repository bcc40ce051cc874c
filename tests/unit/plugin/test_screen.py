"""The screen has what a user has to know; the log file has everything."""

from __future__ import annotations

import io
import logging

import pytest

from fairseq_budget.plugin.screen import CLEAR, Screen, show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Screen, "current", None)
    monkeypatch.setattr(logging, "captureWarnings", lambda capture: None)


def shown(stream: io.StringIO, name: str, message: str, level: int = logging.INFO) -> str:
    """What a record adds to the screen."""
    screen, before = Screen.current or Screen(stream), len(stream.getvalue())
    screen.handle(logging.LogRecord(name, level, __file__, 1, message, None, None))
    return stream.getvalue()[before:]


@pytest.mark.parametrize(
    ("name", "message", "level", "is_told"),
    [
        ("fairseq_budget.plugin.run.control", "the budget is spent after 49 updates", logging.INFO, True),
        ("fairseq_cli.train", "{'_name': None, 'common': {}}", logging.INFO, False),
        ("fairseq_cli.train", "BudgetTeraModel(\n  (mfcc): KaldiMFCC()\n)", logging.INFO, False),
        ("fairseq_cli.train", "done training in 29.9 seconds", logging.INFO, True),
        (
            "fairseq.trainer",
            "Loaded checkpoint run/checkpoint_last.pt (epoch 3 @ 9 updates)",
            logging.INFO,
            True,
        ),
        ("fairseq.trainer", "begin training epoch 8", logging.INFO, False),
        ("fairseq.trainer", "OOM: ran out of memory", logging.WARNING, True),
        ("train_inner", '{"epoch": 1, "loss": "4.5"}', logging.INFO, False),
        ("py.warnings", "dataloader.py:759: UserWarning: pin_memory", logging.WARNING, False),
    ],
)
def test_what_is_told(name: str, message: str, level: int, is_told: bool) -> None:
    stream = io.StringIO()
    assert shown(stream, name, message, level) == (f"{message}\n" if is_told else "")


def test_batches_of_an_epoch_are_told_once() -> None:
    stream = io.StringIO()
    told = [shown(stream, "fairseq_budget.plugin.dataset", "%d batches") for _ in range(3)]
    assert told == ["%d batches\n", "", ""]


def test_validation_is_told_in_words() -> None:
    stream = io.StringIO()
    line = shown(stream, "valid", '{"epoch": 13, "valid_loss": "0.9889", "valid_num_updates": "49"}')
    assert line == "validation after 49 updates: loss 0.9889\n"


def test_a_terminal_has_one_line_that_is_replaced() -> None:
    stream, progress = Terminal(), "fairseq_budget.plugin.run.progress"
    assert shown(stream, progress, "12% of 3 GFLOP") == ""
    show_progress("13% of 3 GFLOP")
    assert stream.getvalue() == f"{CLEAR}13% of 3 GFLOP"
    assert shown(stream, "fairseq_budget.plugin.run.control", "the budget is spent") == f"{CLEAR}the budget is spent\n"


def test_a_file_has_the_line_of_the_log() -> None:
    stream = io.StringIO()
    assert shown(stream, "fairseq_budget.plugin.run.progress", "12% of 3 GFLOP") == "12% of 3 GFLOP\n"
    show_progress("13% of 3 GFLOP")
    assert stream.getvalue() == "12% of 3 GFLOP\n"
