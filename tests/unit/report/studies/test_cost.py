"""What a score cost in all, and which scores nothing cheaper beats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairseq_budget.records.pretraining import PretrainingRecord
from fairseq_budget.report.studies.cost import evaluation_flops, training_flops
from fairseq_budget.report.studies.frontier import frontier
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.study import Cell


def record(**more: object) -> PretrainingRecord:
    told = {"objective": "hubert", "params": 1, "budget": {"flops": 100}, "spent": {"flops": 100, "updates": 10}}
    return PretrainingRecord.of(**(told | more))


@pytest.mark.parametrize(
    ("more", "share", "expected"),
    [
        ({}, 1.0, 100),
        ({}, 0.5, 50),
        ({"all_rounds": {"flops": 160}, "labelling_flops": 7}, 0.5, 50 + 60 + 7),
        # a branch's ledger has its trunk's compute in it; fine-tuning begins a ledger of its own
        ({"parent": {"spent": {"flops": 40}, "inherited": {"flops": 40}}}, 1.0, 100),
        ({"parent": {"spent": {"flops": 40}, "inherited": {"flops": 0}}}, 1.0, 140),
        ({"parent": {"spent": None, "inherited": {"flops": 0}}}, 1.0, 100),
    ],
)
def test_training(more: dict[str, object], share: float, expected: float) -> None:
    assert training_flops(record(**more), share) == expected


def test_evaluation(tmp_path: Path) -> None:
    place, cell = Place(tmp_path), Cell("a", "hubert", (), "", 1, tasks=("ks",))
    assert evaluation_flops(cell, "ks", place) == 0
    told = {"kind": "downstream", "task": "ks", "upstream": "budget_local", "objective": "hubert"}
    path = place.score(cell, "ks")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(told | {"spent": {"upstream_flops": 30, "head_flops": 4}}))
    assert evaluation_flops(cell, "ks", place) == 34


@pytest.mark.parametrize(("higher", "expected"), [(True, [1, 3]), (False, [1, 2, 4])])
def test_frontier(higher: bool, expected: list[int]) -> None:
    points = [(float(flops), score, None) for flops, score in ((1, 5.0), (2, 4.0), (3, 6.0), (4, 3.0))]
    assert [one[0] for one in frontier(points, higher)] == expected  # type: ignore[arg-type]
