"""``fairseq-budget plan`` as a user and as a program call it."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError

PAPER = ["plan", "--objective", "hubert"]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*PAPER, *arguments])


def plan(*arguments: str) -> dict[str, Any]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


def refused(*arguments: str) -> str:
    error = call(*arguments).exception
    assert isinstance(error, BudgetError)
    assert "\n" not in str(error)
    return str(error)


def test_json_of_the_papers_setting() -> None:
    answer = plan()
    assert set(answer) == {"rows", "choice"}
    assert [row["name"] for row in answer["rows"]] == list(SIZES)
    assert {"params", "flops_per_update", "updates", "epochs", "hours_heard", "price"} <= set(answer["rows"][0])
    slim = next(row for row in answer["rows"] if row["name"] == "slim")
    assert slim["updates"] == pytest.approx(400_000, rel=0.015)
    assert slim["price"] is None
    assert answer["choice"]["name"] == "200"
    assert "nearest to the optimum" in answer["choice"]["explanation"]


def test_a_plan_from_mel_frames() -> None:
    rows = {frontend: plan("--frontend", frontend, "--sizes", "slim")["rows"][0] for frontend in ("conv", "mel")}
    assert rows["mel"]["updates"] > 2.5 * rows["conv"]["updates"], "the convolutions are two thirds of Slim"
    assert rows["conv"]["params"] - rows["mel"]["params"] == 4_200_448 + 1024 + (512 - 160) * 384
    choice = plan("--frontend", "mel")["choice"]
    assert (choice["name"], choice["frontend"]) == (None, "mel")
    assert "unknown front end `wav`: choose one of conv, mel" in refused("--frontend", "wav")


def test_table_names_the_choice() -> None:
    output = call().output
    assert "200 *" in output
    assert "5.9 M" in output
    assert "price" not in output


def test_a_shape_of_ones_own() -> None:
    slim_by_hand = ["--layers", "12", "--dim", "384", "--ffn", "768", "--heads", "8"]
    both = plan(*slim_by_hand, "--sizes", "slim")["rows"]
    assert [row.pop("name") for row in both] == ["slim", "12x384"]
    assert both[0] == both[1]
    assert [row["name"] for row in plan(*slim_by_hand)["rows"]] == ["12x384"]


@pytest.mark.parametrize(
    ("budget", "field", "amount"),
    [("--flops", "flops", 2e17), ("--hours-heard", "hours_heard", 1000), ("--updates", "updates", 5000)],
)
def test_every_currency_is_spent(budget: str, field: str, amount: float) -> None:
    for row in plan(budget, str(amount))["rows"]:
        assert amount <= row[field] < amount + amount / row["updates"] * 1.001


def test_device_hours_and_money() -> None:
    timed = ["--sizes", "30,slim", "--step-seconds", "0.25,0.5", "--price-per-device-hour", "2"]
    rows = plan("--device-hours", "100", *timed)["rows"]
    assert [row["device_hours"] for row in rows] == pytest.approx([100, 100])
    assert [row["updates"] for row in rows] == [720_000, 360_000]
    assert [row["price"] for row in rows] == pytest.approx([200, 200])
    output = call("--device-hours", "100", *timed).output
    assert "device" in output
    assert "200.0" in output
    assert "…" not in output, "80 columns hold the widest table"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--flops", "0"], "must be positive, but is 0"),
        (["--flops", "-1e18"], "must be positive, but is -1e+18"),
        (["--flops", "1e18", "--updates", "5"], "`--flops` and `--updates` are given: choose one"),
        (["--sizes", "slim,huge"], "unknown size `huge`: choose one of 0.02"),
        (["--device-hours", "5"], "needs to know how long an update takes"),
        (["--device-hours", "5", "--step-seconds", "1"], f"one number for each of the {len(SIZES)} rows"),
        (["--step-seconds", "fast"], "must be numbers, comma-separated, but is `fast`"),
        (["--sizes", "slim", "--step-seconds", "-1"], "`--step-seconds` must be numbers from 0"),
        (["--price-per-device-hour", "3"], "`price_per_device_hour` needs to know"),
        (["--workers", "0"], "`ranks` must be a positive"),
        (["--packing", "1.5"], "`packing` is a share"),
        (["--layers", "12"], "`--dim`, `--ffn`, `--heads` is missing"),
        (["--layers", "0", "--dim", "384", "--ffn", "768", "--heads", "8"], "`--layers` must be at least 1"),
        (["--layers", "2", "--dim", "384", "--ffn", "768", "--heads", "7"], "must divide `model.encoder_embed_dim` = 384"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str) -> None:
    assert message in refused(*arguments)


def test_unknown_objective() -> None:
    error = CliRunner().invoke(app, ["plan", "--objective", "bert"]).exception
    assert isinstance(error, BudgetError)
    assert "unknown objective `bert`: choose one of hubert, wav2vec2, tera" in str(error)
