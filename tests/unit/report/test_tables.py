"""The tables' numbers."""

from __future__ import annotations

import pandas as pd
import pytest

from fairseq_budget import published
from fairseq_budget.report import tables
from fairseq_budget.report.study import read_study
from tests.unit.report.conftest import StudyFolder


def test_costs_add_up(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "30", spent={"flops": 3e12, "updates": 10, "hours_heard": 0.5, "wall_seconds": 60})
    study_folder.pretrain("hubert", "slim", spent={"flops": 1e12, "updates": 5, "hours_heard": 1.0, "wall_seconds": 20})
    table = tables.costs(read_study(study_folder.out).pretrain).set_index("run")
    assert table.loc["hubert-slim", "share of budget (%)"] == "33.3%"
    assert list(table["FLOPs spent"]) == ["3.00 TFLOP", "1.00 TFLOP", "4.00 TFLOP"]
    assert list(table["updates"]) == ["10", "5", "15"]
    assert list(table["audio heard (time)"]) == ["30.0 min", "1.0 h", "1.5 h"]
    assert list(table["wall time ↓"]) == ["1.0 min", "20.0 s", "1.33 min"]
    assert list(table["speed ↑ (FLOP/s)"]) == ["50.00 GFLOP/s"] * 3
    assert list(table["device time ↓"]) == ["–"] * 3, "not recorded, so not 0 either"


def test_downstream_rows(study_folder: StudyFolder) -> None:
    study_folder.downstream("tera", "slim", 0.31, 0.291)
    study_folder.downstream("fbank", None, 0.2, None)
    table = tables.downstream(read_study(study_folder.out).downstream).set_index("upstream")
    assert list(table.loc["TERA Slim"]) == ["31.0%", "29.1%", "–", "30", "40", "0.0001", "33.0 s"]
    assert table.loc["FBANK", "acc ↑ (%), test"] == "–"


def test_a_score_of_an_incomplete_corpus_says_so(study_folder: StudyFolder) -> None:
    study_folder.downstream("tera", "slim", 0.31, 0.291, incomplete={"missing": 12, "of": 345})
    table = tables.downstream(read_study(study_folder.out).downstream)
    assert table.loc[0, "acc ↑ (%), test"] == "29.1%, incomplete corpus (12 of 345 files missing)"


@pytest.mark.parametrize(
    ("task", "metric", "factor", "unit", "test", "shown"),
    [
        ("pr", "per", 100.0, "%", 0.987, "98.7%"),
        ("asr", "wer", 1.0, "%", 88.12, "88.1%"),
        ("qbe", "MTWV", 1.0, "", 0.0736, "0.0736"),
    ],
)
def test_a_score_has_the_unit_of_its_record(
    study_folder: StudyFolder, task: str, metric: str, factor: float, unit: str, test: float, shown: str
) -> None:
    study_folder.downstream("tera", "slim", test, test, task=task, metric=metric, factor=factor, unit=unit)
    table = tables.downstream(read_study(study_folder.out).downstream)
    heading = f"{metric} ↑" + (f" ({unit})" if unit else "")
    assert list(table.loc[0, [f"{heading}, dev", f"{heading}, test"]]) == [shown, shown]


def test_published_scores_are_those_of_table_2() -> None:
    table = tables.published_scores("ks")
    assert table is not None
    assert table.to_numpy().tolist() == [
        ["HuBERT", "93.51%", "89.39%"],
        ["wav2vec 2.0", "91.27%", "89.45%"],
        ["TERA", "91.50%", "87.37%"],
    ]
    assert tables.published_scores("unheard of") is None


def test_the_published_u_curve_turns_at_about_twice_slim() -> None:
    curve = pd.DataFrame(published.u_curve())
    lowest = curve.loc[curve.groupby("objective")["valid_loss"].idxmin()].set_index("objective")["percent_of_slim"]
    pd.testing.assert_series_equal(
        lowest, pd.Series({"hubert": 200, "tera": 200, "wav2vec2": 100}), check_names=False, check_index_type=False
    )


def test_runs_of_the_same_software_share_a_row(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "30")
    study_folder.pretrain("hubert", "slim")
    study_folder.pretrain("hubert", "base", git=None, versions={})
    table = tables.origins(read_study(study_folder.out))
    assert table.to_numpy().tolist() == [
        ["pretrain/hubert-30, pretrain/hubert-slim", "0123abc", "fairseq_budget 0.1.0, torch 2.13.0"],
        ["pretrain/hubert-base", "not recorded", "not recorded"],
    ]


def test_forecasts_stand_beside_the_ledger(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "slim")
    study_folder.pretrain("tera", "slim", plan=None)
    study_folder.pretrain("tera", "30", spent={"flops": 1e12, "updates": 4, "hours_heard": 0.1})
    table = tables.forecasts(read_study(study_folder.out).pretrain)
    assert list(table["run"]) == ["hubert-slim"], "neither the run without a plan nor the unfinished one"
    row = table.iloc[0]
    assert (row["updates, planned"], row["updates, in the end"]) == ("12", "12 (+0.0%)")
    assert row["FLOPs an update, in the end"] == "255.00 GFLOP (+2.0%)"
    assert row["epochs, in the end"] == "0.5 (+25.0%)"
