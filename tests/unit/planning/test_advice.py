"""What the three papers say together, from their tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError


def plan(*options: str) -> dict[str, dict[str, str]]:
    result = CliRunner().invoke(app, ["plan", "--advise", "--json", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)["advice"]
    return {row["about"]: row for row in found["advice"]} | {"command": found["command"]}


def test_the_published_budget() -> None:
    """Figures that can be read off the papers' tables."""
    found = plan("--objective", "hubert")
    assert "HuBERT in 10, wav2vec 2.0 in 0, TERA in 0" in found["objective"]["why"]
    assert found["size"]["choice"] == "200"
    assert found["instead"]["choice"].split(" (")[0] == "70" and "base (2.4 x the parameters)" in found["instead"]["choice"]
    assert "5 s for KS35, ER; 10 s for KS, SID; 15 s for ASV, ASR" in found["utterances"]["why"]
    assert found["learning rate"]["choice"] == "0.0004"
    assert (found["warm-up"]["choice"], "10.7% of this one" in found["warm-up"]["why"]) == ("32,000 updates", True)
    assert "heard 16,700 h: PR 18.43%, ASR 15.03%, ASV 8.19%" in found["hours heard"]["why"]
    command = "--config-name hubert size=200 budget=paper task.budget.flops=1.33e+18"
    assert found["command"] == f"fairseq-hydra-train --config-dir recipes {command}"


def test_another_objective_is_told_which_one_leads() -> None:
    assert plan("--objective", "tera")["objective"]["choice"] == "TERA (as asked; HuBERT leads)"


def test_a_small_budget_warms_up_over_a_share_and_says_how_far_it_is() -> None:
    found = plan("--objective", "hubert", "--flops", "1e16", "--sizes", "30,slim")
    assert found["warm-up"]["choice"] == "8% of the budget"
    assert "schedule=polynomial" in str(found["command"])
    assert "times away from it" in found["hours heard"]["why"] and "guess" in found["size"]["why"]


def test_time_stands_beside_the_alternatives() -> None:
    options = ("--sizes", "slim,200,base", "--step-seconds", "0.5,0.6,0.8")
    assert "of device time" in plan("--objective", "hubert", *options)["instead"]["choice"]


def test_other_currencies_have_a_command_of_their_own() -> None:
    command = plan("--objective", "wav2vec2", "--hours-heard", "10000", "--sizes", "slim")["command"]
    assert str(command).endswith("--config-name wav2vec2 size=slim budget=custom task.budget.hours_heard=10000")


@pytest.mark.parametrize("options", [("best_rq",), ("hubert", "--frontend", "mel")])
def test_where_nobody_published_a_curve_no_size_is_named(options: tuple[str, ...]) -> None:
    found = plan("--objective", *options)
    assert (found["size"]["choice"], found["command"]) == ("none", None)


def runs(folder: Path, optimum: dict[float, float]) -> Path:
    """Records whose losses are parabolas around an optimum for each budget."""
    for flops, centre in optimum.items():
        for step in (-2, -1, 0, 1, 2):
            run = folder / f"{flops:g}-{step}"
            run.mkdir(parents=True)
            told = {"kind": "pretrain", "objective": "hubert", "frontend": "mel", "params": centre * 2**step}
            told |= {"budget": {"flops": flops}, "spent": {"flops": flops, "updates": 9}, "loss_unit": "bits"}
            told |= {"metrics": {"valid_loss": 4 + 0.1 * step**2 + 0.001 * (step % 2)}, "data": {"hours": 1.0}}
            (run / "record.json").write_text(json.dumps(told))
    return folder


def test_own_runs_outweigh_the_papers(tmp_path: Path) -> None:
    """Optima of 0.1 and 0.2 million parameters at 1e12 and 4e12 FLOPs: 0.4 million at 1.6e13."""
    own = runs(tmp_path, {1e12: 1e5, 4e12: 2e5})
    small = ("--flops", "1.6e13", "--samples-per-batch", "128000", "--crop", "32000", "--sizes", "0.5,1,2,5")
    found = plan("--objective", "hubert", "--frontend", "mel", *small, "--runs", str(own))
    assert found["size"]["choice"] == "2"
    assert "FLOPs^0.50" in found["size"]["why"] and "this budget is 4 times the largest of them" in found["size"]["why"]
    assert "frontend=mel" in str(found["command"])


def test_a_size_has_the_parameters_of_own_runs(tmp_path: Path) -> None:
    """With 100 labels size 5 has half as many as with 500: what is best at 1e12 FLOPs here."""
    own = runs(tmp_path, {2.5e11: 2.5e5, 1e12: 5e5})
    small = ("--flops", "1e12", "--samples-per-batch", "128000", "--crop", "32000", "--sizes", "0.5,1,2,5")
    given = ("--objective", "hubert", "--frontend", "mel", *small, "--runs", str(own))
    assert plan(*given)["size"]["choice"] == "2"
    for record in own.glob("*-0/record.json"):
        told = json.loads(record.read_text())
        record.write_text(json.dumps({**told, "size": "5"} if told["params"] == 5e5 else told))
    assert plan(*given)["size"]["choice"] == "5"


def test_own_runs_on_one_budget_tell_too_little(tmp_path: Path) -> None:
    own = runs(tmp_path, {1e12: 1e5})
    with pytest.raises(BudgetError, match="`--runs` has an optimum at one budget only"):
        plan("--objective", "hubert", "--frontend", "mel", "--runs", str(own))


def test_people_get_a_table() -> None:
    result = CliRunner().invoke(app, ["plan", "--objective", "hubert", "--advise"], catch_exceptions=False)
    assert "because" in result.output and "fairseq-hydra-train --config-dir recipes" in result.output
