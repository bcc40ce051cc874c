"""Progress is what runs write into their folders; of their output, what may say why one failed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.cli.watch import WatchedRun, WatchedRuns
from fairseq_budget.records.base import FILE
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.records.progress import FILE as PROGRESS
from fairseq_budget.records.progress import ProgressRecord


def begun(folder: Path, share: float) -> Path:
    """The folder of a run that is so far."""
    folder.mkdir(parents=True, exist_ok=True)
    ProgressRecord(share=share, updates=3, flops=share * 4e12, hours_heard=0.1).write(folder / PROGRESS)
    return folder


def saved(folder: Path, share: float) -> Path:
    """The folder of a run whose newest checkpoint is so far."""
    folder.mkdir(parents=True, exist_ok=True)
    spent = {"flops": share * 4e12, "updates": 7, "hours_heard": 0.5}
    metrics = {"train_loss": 9.1, "valid_loss": 8.5}
    what = {"objective": "hubert", "params": 10_000, "budget": {"flops": 4e12}}
    PretrainingRecord.of(**what, spent=spent, metrics=metrics).write(folder / FILE)
    return folder


def test_a_run_is_as_far_as_it_says(tmp_path: Path) -> None:
    assert WatchedRun(tmp_path).share == 0
    assert WatchedRun(begun(tmp_path, 0.25)).share == 0.25
    run = WatchedRun(saved(tmp_path, 0.5))
    assert (run.share, run.ended) == (0.5, False)
    assert run.summary() == "2.00 TFLOP (50.0% of the budget), 30.0 min heard, training loss 9.100, validation loss 8.500"
    assert WatchedRun(begun(tmp_path, 0.75)).share == 0.75


def test_a_run_past_its_budget_is_complete(tmp_path: Path) -> None:
    run = WatchedRun(saved(begun(tmp_path, 0.9), 1.25))
    assert (run.share, run.ended) == (1, True)


def test_a_run_that_had_nothing_to_do(tmp_path: Path) -> None:
    os.utime(saved(tmp_path, 1.0) / FILE, (1, 1))
    assert WatchedRun(tmp_path).summary() == "the budget was spent before"


def test_the_score_of_an_evaluation(tmp_path: Path) -> None:
    what = {"task": "ks", "upstream": "fbank", "objective": "fbank", "test": 0.97125}
    DownstreamRecord.of(**what, scores={"KS acc": 97.125, "other": None}).write(tmp_path / FILE)
    run = WatchedRun(tmp_path)
    assert (run.share, run.summary()) == (1, "KS acc 97.12")


def test_several_runs(tmp_path: Path) -> None:
    runs = WatchedRuns([saved(tmp_path / "a", 1.0), begun(tmp_path / "b", 0.5)])
    assert (runs.share, runs.told, runs.summary()) == (0.75, "  1 of 2 runs", "1 of 2 runs ended")


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_an_error_is_shown_with_its_list_and_without_its_frame(tmp_path: Path, share: float) -> None:
    runs = WatchedRuns([saved(tmp_path, share)])
    for line in (
        "DEBUG:hydra.core.utils:Setting JobRuntime:name=hydra_train",
        "[now][train_inner][INFO] - {}",
        "Error executing job with overrides: ['size=slimm']",
        "In 'tera': Could not find 'size/slimm'",
        "",
        "Available options in 'size':",
        "\tslim",
        "Config search path:",
        "\tprovider=main, path=pkg://fairseq.config",
        "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.",
    ):
        runs.hear(line)
    assert runs.summary().splitlines() == [
        "In 'tera': Could not find 'size/slimm'",
        "Available options in 'size':",
        "\tslim",
    ]


def test_output_of_a_run_that_ended_is_kept_from_the_screen(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["watch", "slim", str(saved(tmp_path, 1.0))], input="a warning of somebody's\n")
    assert result.output == "slim: the budget was spent before\n"
