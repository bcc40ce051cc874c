"""`fairseq-budget analyse packing`: rules compared on a manifest, or on lengths like LibriSpeech's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError, ConfigError

RULES = [("sorted", False), ("sorted", True), ("buckets", False), ("buckets", True), ("bins", True)]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["analyse", "packing", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_rules_are_compared_on_lengths_like_librispeechs() -> None:
    rows = json.loads(run("--librispeech-like", "5000", "--json"))
    assert [(row["batching"], row["padding"]) for row in rows] == RULES
    full = {(row["batching"], row["padding"]): row["efficiency"] for row in rows}
    assert full["sorted", False] == pytest.approx(0.889, abs=0.01)
    assert min(full["buckets", False], full["buckets", True]) >= 0.97


def test_a_manifest_and_its_folder_are_the_same(tmp_path: Path) -> None:
    Manifest(tmp_path, ["a.wav", "b.wav"], np.array([40_000, 50_000])).write(tmp_path / "train.tsv")
    options = ("--max-samples", "80000", "--max-sample-size", "80000", "--json")
    rows = json.loads(run(str(tmp_path), *options))
    assert rows == json.loads(run(str(tmp_path / "train.tsv"), *options))
    assert [row["batches"] for row in rows] == [2] * len(RULES)


def test_the_table_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("--librispeech-like", "2000").splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ([], ConfigError, "give either a manifest .* or `--librispeech-like N`"),
        (["somewhere", "--librispeech-like", "5"], ConfigError, "give either a manifest"),
        (["--librispeech-like", "0"], ConfigError, "`--librispeech-like` must be at least 1, but is 0"),
        (
            ["--librispeech-like", "9", "--max-samples", "9"],
            ConfigError,
            "`--max-sample-size` must be 1 to .* = 9, but is 250000",
        ),
        (["--librispeech-like", "9", "--min-sample-size", "999999"], BudgetError, "every utterance is shorter than"),
    ],
)
def test_refusals(arguments: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(*arguments)
