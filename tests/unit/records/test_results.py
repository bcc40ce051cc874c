"""Which records count, and what is said about them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairseq_budget.errors import BudgetError
from fairseq_budget.records.results import read_results
from tests.unit.report.superb.conftest import record


def test_results_are_found_at_any_depth_and_once(tmp_path: Path) -> None:
    record(tmp_path / "a" / "b" / "ks", "ks", {"KS_ACC": 90.0})
    record(tmp_path / "a" / "sf", "sf", {"SF_F1": 80.0, "SF_CER": 30.0})
    results = read_results([tmp_path, tmp_path / "a" / "sf"])
    assert [(result.task, result.values) for result in results] == [
        ("ks", {"KS_ACC": 90.0}),
        ("sf", {"SF_F1": 80.0, "SF_CER": 30.0}),
    ]


def test_cells_of_a_sweep_dont_count(tmp_path: Path) -> None:
    """Neither below their task's record nor while there is none yet."""
    task = record(tmp_path / "ks", "ks", {"KS_ACC": 90.0})
    unfinished = tmp_path / "ic" / "lr_0.1"
    for folder in (task / "lr_0.1", unfinished):
        record(folder, "ks", {"KS_ACC": 95.0}, chosen=False)
        content = json.loads((folder / "record.json").read_text())
        del content["cells"]
        (folder / "record.json").write_text(json.dumps(content))
    assert [result.folder.name for result in read_results([tmp_path])] == ["ks"]
    with pytest.raises(BudgetError, match="no downstream result below"):
        read_results([unfinished])


def test_records_of_pretraining_are_passed_over(tmp_path: Path) -> None:
    record(tmp_path / "run", "ks", {}, kind="pretrain")
    with pytest.raises(BudgetError, match=r"no downstream result below .*there is no record\.json"):
        read_results([tmp_path])


def test_a_missing_folder_and_a_broken_record(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"no folder .*nothing`: name one of downstream runs"):
        read_results([tmp_path / "nothing"])
    (tmp_path / "record.json").write_text("{")
    with pytest.raises(BudgetError, match=r"record\.json: not a readable record"):
        read_results([tmp_path])


def test_numbers_that_are_none_and_unknown_metrics_are_left_out(tmp_path: Path) -> None:
    [result] = read_results([record(tmp_path / "sf", "sf", {"SF_F1": None, "SF_CER": 30.0, "SF_WER": 1.0})])
    assert result.values == {"SF_CER": 30.0}
    assert result.remarks == ()


def test_remarks(tmp_path: Path) -> None:
    record(tmp_path / "a", "ks", {"KS_ACC": None})
    record(tmp_path / "b", "sd", {}, error="no memory")
    record(tmp_path / "c", "er", {"ER_ACC": 60.0}, sweep={"changed": {"runner.total_steps": 2}})
    first, second, third = read_results([tmp_path])
    assert first.remarks == (f"no test score in `{tmp_path / 'a' / 'record.json'}`",)
    assert second.remarks == ("no memory",)
    assert third.remarks == ("§ not the official recipe (runner.total_steps=2)",)


def test_names_of_upstreams(tmp_path: Path) -> None:
    record(tmp_path / "a", "ks", {}, size=None, unfrozen=True)
    record(tmp_path / "b", "ks", {}, upstream="fbank", objective="fbank", size=None, checkpoint=None)
    assert [result.upstream for result in read_results([tmp_path])] == ["HuBERT Own shape, fine-tuned", "FBANK"]
