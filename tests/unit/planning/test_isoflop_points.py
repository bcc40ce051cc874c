"""Runs are read from records and tables; what can't be compared is refused in one line that says why."""

import json
from pathlib import Path
from typing import Any

import pytest

from fairseq_budget.arithmetic.flops import CONVENTION
from fairseq_budget.errors import BudgetError
from fairseq_budget.planning.isoflop.points import RunSetting, by_budget, read_points

COLLAPSED = {"code_perplexity": 2.1, "code_perplexity_1": 1.0, "code_perplexity_2": 1.1}
HEADER = "objective,budget_flops,params,valid_loss,asr_wer,hours_heard"


def write(folder: Path, name: str, **changes: Any) -> Path:
    """A finished run's record; `changes` replace its keys."""
    record = {
        "kind": "pretrain",
        "objective": "hubert",
        "params": 2e7,
        "budget": {"flops": 3e12},
        "spent": {"flops": 3.02e12, "hours_heard": 0.25, "updates": 12},
        "flops_convention": CONVENTION,
        "metrics": {"train_loss": 6.2, "valid_loss": 6.0},
        "loss_unit": "bits",
        "data": {"train": "/data/a", "hours": 0.5},
    }
    path = folder / name / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**record, **changes}), encoding="utf-8")
    return path.parent


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "runs.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_record_becomes_a_point(tmp_path: Path) -> None:
    (point,) = read_points([write(tmp_path, "hubert-slim").parent])
    assert (point.name, point.flops, point.params, point.value) == ("hubert-slim", 3.02e12, 2e7, 6.0)
    assert point.hours_heard == 0.25
    assert point.setting == RunSetting("hubert", "0.5000 h", "bits", CONVENTION)
    assert read_points([tmp_path], "train_loss")[0].value == 6.2


def test_folders_runs_and_tables_mix(tmp_path: Path) -> None:
    write(tmp_path / "a", "one")
    write(tmp_path / "b", "two", data={"train": "/elsewhere", "hours": 0.5})
    single = write(tmp_path / "c", "three")
    row = f'hubert,3e12,1e7,6.5,0.5000 h,bits,"{CONVENTION}"'
    csv = table(tmp_path, row, header="objective,budget_flops,params,valid_loss,data,loss_unit,flops_convention")
    names = [point.name for point in read_points([tmp_path / "a", tmp_path / "b", single, csv])]
    assert names == ["one", "two", "three", "runs.csv line 2"]


def test_a_row_becomes_a_point(tmp_path: Path) -> None:
    path = table(tmp_path, "hubert,1e18,2e7,4.1,14.5,1000", "hubert,1e18,4e7,4.0,14.7,")
    first, second = read_points([path], "asr_wer")
    assert (first.value, first.hours_heard, second.hours_heard) == (14.5, 1000, None)
    assert first.setting == RunSetting("hubert")


def test_one_front_end_is_chosen(tmp_path: Path) -> None:
    write(tmp_path, "conv")
    write(tmp_path, "mel", frontend="mel")
    assert [point.name for point in read_points([tmp_path], frontend="mel")] == ["mel"]
    csv = table(tmp_path, "hubert,1e18,2e7,4.1,mel", header="objective,budget_flops,params,valid_loss,frontend")
    assert read_points([csv])[0].setting == RunSetting("hubert", frontend="mel")
    with pytest.raises(BudgetError, match="no run of objective `tera` of front end `mel` in"):
        read_points([tmp_path], objective="tera", frontend="mel")


def test_one_objective_is_chosen_before_anything_is_checked(tmp_path: Path) -> None:
    write(tmp_path, "hubert-slim")
    write(tmp_path, "tera-slim", objective="tera", loss_unit="L1", spent={"flops": 1.0, "updates": 1})
    assert [point.name for point in read_points([tmp_path], objective="hubert")] == ["hubert-slim"]
    csv = table(tmp_path, "hubert,1e18,2e7,4.1,14.5,", "tera,1e18,2e7,oops,,")
    assert len(read_points([csv], objective="hubert")) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "tera"}, "`objective` is hubert in a, but tera in b; choose one by `--objective`"),
        ({"frontend": "mel"}, "`frontend` is conv in a, but mel in b; choose one by `--frontend`"),
        ({"data": {"train": "/data/a", "hours": 0.75}}, "`data` is 0.5000 h in a, but 0.7500 h in b; analyse them apart"),
        ({"data": {"train": "/data/b"}}, "`data` is 0.5000 h in a, but /data/b in b"),
        ({"flops_convention": "6ND"}, "`flops_convention` is 2xMAC.* in a, but 6ND in b"),
        ({"flops_convention": None}, "but not recorded in b"),
        ({"loss_unit": "nats"}, "`loss_unit` is bits in a, but nats in b"),
        ({"spent": {"flops": 2e12, "updates": 8}}, "b/record.json: unfinished, 66.7% of its budget is spent; resume"),
        ({"metrics": {"valid_loss": None}}, "`metrics.valid_loss` must be a finite number"),
        ({"metrics": {"valid_loss": 0.01, "monitored": COLLAPSED}}, "its loss says nothing, as hardly more than one"),
        ({"metrics": {"valid_loss": -0.5}}, "`metrics.valid_loss` must be positive and finite, but is -0.5; leave"),
        ({"kind": "labels"}, "must be a JSON object with"),
    ],
)
def test_records_that_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b", **changes)
    with pytest.raises(BudgetError, match=message) as error:
        read_points([tmp_path])
    assert "\n" not in str(error.value)


def test_another_currency_may_end_a_run(tmp_path: Path) -> None:
    write(tmp_path, "a", budget={"flops": 9e12, "updates": 12})
    assert len(read_points([tmp_path])) == 1


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (
            ["hubert,1e18,2e7"],
            "objective,budget_flops,params",
            "no column `valid_loss`; it has objective, budget_flops, params",
        ),
        ([], "", "no column `objective`, `budget_flops`, `params`, `valid_loss`; it has none"),
        (["hubert,1e18,many,4.1,,"], HEADER, "runs.csv line 2: `params` must be a number, but is `many`; correct the line"),
        (["hubert,1e18,2e7"], HEADER, "line 2: `valid_loss` must be a number, but is `None`"),
        (["hubert,0,2e7,4.1,,"], HEADER, "`budget_flops` must be positive and finite, but is 0"),
        (["hubert,1e18,2e7,nan,,"], HEADER, "`valid_loss` must be positive and finite, but is nan"),
        ([], HEADER, "no run in .*runs.csv: give folders of runs or a CSV"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, rows: list[str], header: str, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        read_points([table(tmp_path, *rows, header=header)])


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="neither a CSV file nor a folder with"):
        read_points([tmp_path])
    with pytest.raises(BudgetError, match="neither a CSV file"):
        read_points([tmp_path / "missing"])
    with pytest.raises(BudgetError, match="no run of objective `tera`"):
        read_points([table(tmp_path, "hubert,1e18,2e7,4.1,,")], objective="tera")
    (tmp_path / "latin.csv").write_bytes(b"objective,\xe9\n")
    with pytest.raises(BudgetError, match="latin.csv: not a readable CSV file"):
        read_points([tmp_path / "latin.csv"])


def test_budgets_are_told_apart_by_what_was_spent(tmp_path: Path) -> None:
    rows = [f"hubert,{flops},{params},4.1,," for flops in (2e18, 1e18, 1.02e18) for params in (4e7, 1e7, 2e7)]
    small, large = by_budget(read_points([table(tmp_path, *rows)]))
    assert [run.flops for run in large] == [2e18] * 3
    assert [run.params for run in small] == [1e7, 1e7, 2e7, 2e7, 4e7, 4e7]
