"""``fairseq-budget bench`` and ``plan --probe`` as a user and as a program call them."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fairseq_budget.bench import grid
from fairseq_budget.bench.compare import Comparison, ComparisonRow, Ratio
from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError
from fairseq_budget.planning import machine
from fairseq_budget.planning.steps import Phases

SHORT = ["--seconds", "0.5", "--batch", "1", "--set", "model.encoder_layers=1", "--size", "30", "--device", "cpu"]


@pytest.fixture(autouse=True)
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SMALLEST", 64)
    monkeypatch.setattr(machine, "LARGEST", 128)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def answer(*arguments: str) -> dict[str, Any]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_json_of_a_comparison() -> None:
    disabled = logging.root.manager.disable
    got = answer("bench", *SHORT, "--objective", "tera", "--repeats", "1", "--peers", "none")
    assert logging.root.manager.disable == disabled, "the hosts are silenced for the command only"
    expected = {
        "device",
        "objective",
        "size",
        "frontend",
        "utterances",
        "samples",
        "overrides",
        "seed",
        "repeats",
        "in_turns",
    }
    assert set(got) == expected | {"rows", "matmul_flops_per_second"}
    (row,) = got["rows"]
    assert (row["implementation"], row["precision"], row["failure"]) == ("fairseq-budget", "fp32", None)
    assert row["matmul_share"] == pytest.approx(row["flops_per_second"] / got["matmul_flops_per_second"]["fp32"])
    assert row["peak_bytes"] > 2**20


def test_tables_of_a_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ComparisonRow("fairseq-budget", "fp32", None, 2.0, Phases(0.5, 1.25, 0.25), 10.0, 1e11, 0.5, 3 * 2**29, {}),
        ComparisonRow(
            "fairseq", "fp32", None, 7.0, Phases(2, 4, 1), 2.9, 3e10, 0.1, None, {"fairseq-budget fp32": Ratio(3.5, 3, 4)}
        ),
        ComparisonRow("torchaudio", "fp32", "not for [this]"),
    ]
    monkeypatch.setattr("fairseq_budget.bench.compare.compare", lambda *_: Comparison(rows, {"fp32": 2e11}, 5, True))
    output = call("bench", *SHORT).output
    assert "1.50 GiB" in output
    assert "3.50x (3.00-4.00)" in output
    assert "fails: not for" in output
    assert "fp32 200.00 GFLOP/s" in output
    assert "…" not in output, "80 columns hold the tables"


def test_profile() -> None:
    got = answer("bench", "profile", *SHORT, "--objective", "tera", "--repeats", "1")
    assert {"device", "implementation", "precision", "step_seconds", "matmul_flops_per_second", "kinds"} <= set(got)
    assert {"matrix products", "GELU", "optimizer, clipping"} < {kind["name"] for kind in got["kinds"]}
    output = call("bench", "profile", *SHORT, "--objective", "tera", "--repeats", "1").output
    assert "between operations" in output
    assert "…" not in output, "80 columns hold the table"


def test_flops_beside_two_witnesses() -> None:
    small = ["bench", "flops", "--objective", "tera", "--frontend", "mel", "--size", "30", "--seconds", "0.5"]
    got = answer(*small)
    assert got["closed_form"]["filters"] == got["torch"]["filters"] == got["deepspeed"]["filters"] == 2 * 48 * 256 * 80
    assert got["torch_executed"] == got["executed"] < got["training"]
    output = call(*small).output
    assert "+0.000%" in output and "DeepSpeed" in output
    assert "…" not in output, "80 columns hold the table"


def test_grid_table_and_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def measured(cell: grid.GridCell, task: object, steps: int) -> grid.GridCell:
        full = cell.utterances == 12
        return replace(cell, ran=True, out_of_memory=full, **({} if full else {"step_seconds": 6.0, "peak_bytes": 2**30}))

    monkeypatch.setattr(grid, "_measured", measured)
    small = ["--size", "30", "--lengths", "5", "--batches", "1,12", "--device", "cpu", "--precision", "bf16"]
    picture = tmp_path / "folder" / "grid.png"
    output = call("bench", "grid", *small, "--out", str(picture)).output
    assert picture.read_bytes().startswith(b"\x89PNG")
    first, last = [line.split() for line in output.splitlines() if "bf16" in line]
    assert first[:5] == ["5", "1", "bf16", "6.0", "1.00"]
    assert first[6:] == ["0.09", "–", "0.59", "0.36"], "the mixed precision of Gao et al. 2022"
    assert last[:5] == ["5", "12", "bf16", "OOM", "–"]
    assert last[6] == "0.26"
    got = answer("bench", "grid", *small, "--out", str(picture), "--memory-limit", "0.5")
    assert got["memory_limit"] == 500_000_000
    assert {"seconds", "utterances", "flops", "out_of_memory", "ran", "step_seconds"} <= set(got["rows"][0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "huge"], "unknown size `huge`"),
        (["--objective", "bert"], "unknown objective `bert`"),
        (["--objective", "wav2vec2", "--peers", "torchaudio"], "torchaudio has no objective `wav2vec2`"),
        (["--objective", "tera", "--peers", "fairseq", "--frontend", "mel"], "fairseq has no front end `mel`"),
        (["--frontend", "wav"], "unknown front end `wav`: choose one of conv, mel"),
        (["flops", "--frontend", "wav"], "unknown front end `wav`"),
        (["--repeats", "0"], "`--repeats` must be at least 1"),
        (["--precision", "fp32,int8"], "unknown precision `int8`"),
        (["--seconds", "0"], "raise `--batch` or `--seconds`"),
        (["grid", "--lengths", "1,x"], "`--lengths` must be numbers, comma-separated, but is `1,x`"),
        (["grid", "--out", "grid.pdf"], "`--out` must be a PNG file"),
        (["grid", "--implementation", "torchaudio"], "torchaudio has no objective `wav2vec2`"),
        (["grid", "--repeats", "0"], "`--repeats` must be at least 1"),
        (["profile", "--implementation", "transformers", "--objective", "tera"], "transformers has no objective `tera`"),
        (["profile", "--repeats", "0"], "`--repeats` must be at least 1"),
        (["profile", "--precision", "fp32,bf16"], "unknown precision `fp32,bf16`"),
        (["loader", "nowhere", "--workers", "-1"], "`--workers` must be numbers from 0"),
        (["loader", "nowhere", "--workers", "0"], "nowhere/train.tsv` cannot be read"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str) -> None:
    error = call("bench", *arguments).exception
    assert isinstance(error, BudgetError)
    assert message in str(error)
    assert "\n" not in str(error)


PLAN = ["plan", "--objective", "tera", "--layers", "1", "--dim", "32", "--ffn", "32", "--heads", "2", "--probe"]
QUICK = ["--probe-batch", "1x0.25", "--probe-seconds", "1", "--device", "cpu", "--device-hours", "100"]


def test_json_of_a_probed_plan() -> None:
    got = answer(*PLAN, *QUICK, "--price-per-device-hour", "2")
    assert set(got) == {"rows", "choice", "machine"}
    assert set(got["machine"]) == {"device", "precision", "matmul_flops_per_second"}
    (row,) = got["rows"]
    assert row["probe"]["how"] == "measured"
    assert (row["probe"]["utterances"], row["probe"]["samples"]) == (1, 4000)
    assert row["step_seconds"] == row["probe"]["update_seconds"]
    assert row["device_hours"] == pytest.approx(100, rel=0.01)
    assert row["price"] == pytest.approx(2 * row["device_hours"])


def test_tables_of_a_probed_plan() -> None:
    output = call(*PLAN, *QUICK).output
    assert "measured" in output
    assert "1 x 0.25 s" in output
    assert re.search(r"optimization\.update_freq=\[\d+\] dataset\.max_tokens=\d+\n", output)
    assert "…" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step-seconds", "1"], "`--probe` measures what `--step-seconds` would say"),
        (["--probe-batch", "two"], "`--probe-batch` is utterances x seconds, such as 2x5, but is `two`"),
        (["--precision", "fp16", "--device", "cpu"], "fp16 is for GPUs"),
    ],
)
def test_probes_that_cannot_be(arguments: list[str], message: str) -> None:
    error = call(*PLAN, *arguments).exception
    assert isinstance(error, BudgetError)
    assert message in str(error)
