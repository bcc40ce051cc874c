"""Progress is read out of the lines that fairseq and s3prl really print."""

from __future__ import annotations

from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.cli.watch import Run

STATS = '{"epoch": 1, "loss": "%s", "flops": "%s", "budget_share": "%s", "hours_heard": "0.5", "num_updates": "2"}'


def fed(*lines: str) -> Run:
    run = Run()
    for line in lines:
        run.read(line)
    return run


def test_fairseqs_log() -> None:
    run = fed(
        "DEBUG:hydra.core.utils:Setting JobRuntime:name=hydra_train",
        "Please specify a compatability version level, or None.",
        "[2026-11-21 07:19:02,560][train_inner][INFO] - " + STATS % ("9.1", "1e+12", "0.25"),
        '[2026-11-21 07:20:02,560][valid][INFO] - {"epoch": 1, "valid_loss": "8.5", "valid_num_updates": "7"}',
    )
    assert run.share == 0.25
    run.read("[2026-11-21 07:20:02,560][fairseq_cli.train][INFO] - done training in 30.1 seconds")
    expected = "1.00 TFLOP (25.0% of the budget), 0.500 h heard, training loss 9.1, validation loss 8.5"
    assert run.summary() == expected


def test_a_run_past_its_budget_is_complete() -> None:
    assert fed("[now][train_inner][INFO] - " + STATS % ("9.1", "1e+12", "1.25")).share == 1


def test_a_finished_run() -> None:
    run = fed("[now][fairseq_budget.plugin.tasks][INFO] - the budget was spent before: nothing is left to do")
    assert run.summary() == "the budget was spent before"


def test_an_error_is_shown_with_its_list_and_without_its_frame() -> None:
    run = fed(
        "[now][train_inner][INFO] - " + STATS % ("9.1", "1e+12", "0.25"),
        "Error executing job with overrides: ['size=slimm']",
        "In 'tera': Could not find 'size/slimm'",
        "",
        "Available options in 'size':",
        "\tslim",
        "Config search path:",
        "\tprovider=main, path=pkg://fairseq.config",
        "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.",
    )
    assert run.summary().splitlines() == ["In 'tera': Could not find 'size/slimm'", "Available options in 'size':", "\tslim"]


def test_a_sweep_counts_its_runs() -> None:
    """As joblib's launcher and the basic one announce it; the runs' lines come in any order."""
    for first in (
        "[2026-11-25 22:28:19,284][HYDRA] Joblib.Parallel(n_jobs=2,backend=loky) is launching 4 jobs",
        "[2026-11-25 22:28:19,284][HYDRA] Launching 4 jobs locally",
    ):
        ended = "[now][fairseq_cli.train][INFO] - done training in 30.1 seconds"
        run = fed(first, "[now][train_inner][INFO] - " + STATS % ("9.1", "1e+12", "0.9"), ended)
        assert (run.share, run.told, run.summary()) == (0.25, "  1 of 4 runs", "1 of 4 runs ended")
    assert fed(first, ended, "error: no labels").summary() == "error: no labels"


def test_s3prls_progress_bar() -> None:
    bar = "overall:  {}%|####      | {}/40 [00:52<00:00,  1.12it/s]"
    run = fed(bar.format(50, 20))
    assert run.share == 0.5
    finished = fed(
        "\x1b[A" + bar.format(100, 40), "dev acc: 0.25", "test acc: 0.0833333", "[Runner] - Save", "1. dev-best.ckpt"
    )
    assert finished.summary() == "40 of 40 steps, dev acc 0.25, test acc 0.08333"
    assert fed(bar.format(50, 20), "error: no file `x.wav`").summary() == "error: no file `x.wav`"


def test_a_sweep_in_a_file_has_a_line_for_each_run() -> None:
    lines = ["[HYDRA] Joblib.Parallel(n_jobs=2) is launching 2 jobs", *["[x][INFO] - done training in 3.0 seconds"] * 2]
    result = CliRunner().invoke(app, ["watch", "sizes"], input="\n".join(lines) + "\n")
    assert result.output.splitlines() == ["sizes:  1 of 2 runs", "sizes:  2 of 2 runs", "sizes: 2 of 2 runs ended"]
