"""``fairseq-budget study``, as far as it trains nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError
from fairseq_budget.studies import STUDIES


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["study", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def _a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the command itself says how wide a table may be."""
    monkeypatch.delenv("COLUMNS", raising=False)


def test_the_list_has_every_study() -> None:
    rows = json.loads(run("list", "--json"))
    assert [row["name"] for row in rows] == list(STUDIES)
    assert all(row["cells"]["paper"] and row["cells"]["mini"] and row["source"] for row in rows)
    assert all(name in run("list") for name in STUDIES)


def test_a_plan_with_its_price() -> None:
    """In a pipe names stay whole."""
    options = ("plan", "data_size", "--flops-per-second", "1e14", "--price-per-device-hour", "2")
    table = run(*options)
    assert "wav2vec2-slim-1.33e+18-100h" in table and "4 cells" in table and "5.32 EFLOP" in table
    rows = json.loads(run(*options[:4], "--json"))
    assert [row["name"] for row in rows][0] == "wav2vec2-slim-1.33e+18"
    assert rows[0]["device_hours"] == pytest.approx(1.33e18 / 1e14 / 3600, rel=0.001)
    with pytest.raises(BudgetError, match="give `--flops-per-second`"):
        run("plan", "data_size", "--price-per-device-hour", "2")


@pytest.mark.parametrize("name", ["resources", "downstream_resources"])
def test_a_plan_of_what_is_only_measured(name: str) -> None:
    cells = STUDIES[name].cells("paper")
    assert [row["name"] for row in json.loads(run("plan", name, "--json"))] == [cell.name for cell in cells]
    table = run("plan", name)
    assert all(cell.name in table for cell in cells) and f"{len(cells)} cells, of which none is trained" in table


def test_the_state_of_a_study_that_has_not_begun(tmp_path: Path) -> None:
    options = ("status", "improved_small", "--scale", "mini", "--seeds", "1", "--out", str(tmp_path), "--device", "cpu")
    assert "0 of 2 cells are done." in run(*options)
    lines = run(*options, "--commands").splitlines()
    assert [line.split()[0] for line in lines] == ["fairseq-hydra-train", "fairseq-budget"] * 2
    rows = json.loads(run(*options, "--json"))
    assert [row["training"] for row in rows] == ["missing"] * 2
    assert "There is no folder" not in run(*options)
    elsewhere = ("status", "improved_small", "--scale", "mini", "--device", "cpu", "--out", str(tmp_path / "typo"))
    assert f"There is no folder `{tmp_path}/typo` yet" in run(*elsewhere)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("plan", "u_curve"), "unknown study `u_curve`: choose one of"),
        (("plan", "model_size", "--scale", "huge"), "unknown scale `huge`: choose one of paper, mini"),
        (("plan", "model_size", "--seeds", "0"), "`--seeds` must be at least 1"),
        (("status", "model_size", "--device", "cpu", "--out", "nowhere", "--scale", "tiny"), "unknown scale `tiny`"),
        (("run", "model_size", "--launcher", "pbs", "--device", "cpu"), "unknown launcher `pbs`: choose one of basic"),
        (("run", "improved_small", "--device", "cpu", "--dry-run", "--data", "nowhere"), "this would stop the study"),
    ],
)
def test_mistakes_are_named(options: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BudgetError, match=message):
        run(*options)
