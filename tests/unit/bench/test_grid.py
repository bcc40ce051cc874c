"""Cells are processes: one that runs out of memory is a cell, and larger ones aren't tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fairseq_budget.bench import grid
from fairseq_budget.bench.grid import cells_of
from fairseq_budget.bench.implementations import OURS
from fairseq_budget.bench.worker import OutOfMemory, StepFailed, WorkerTask
from fairseq_budget.bench.workload import Workload
from fairseq_budget.errors import BudgetError
from fairseq_budget.planning.steps import Phases

Build = Callable[..., Workload]


class Told:
    """A process that has memory for less than ten seconds of audio in fp32, and four times that in bf16."""

    peak_bytes = 5

    def __init__(self, task: WorkerTask) -> None:
        self.workload, self.numbers = task.workload, []

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None:
        """It ends."""

    def step(self, number: int) -> Phases:
        audio = self.workload["utterances"] * self.workload["samples"] / 16_000
        if audio >= (10 if self.workload["precision"] == "fp32" else 40):
            raise OutOfMemory("out of memory")
        return Phases(number, 2, 3)


@pytest.mark.slow
def test_a_process_that_runs_out_of_memory_is_a_cell(workload: Build) -> None:
    told: list[str] = []
    cells = list(cells_of(OURS, workload("tera"), [10], [2, 1], ["fp32"], 1, 100_000_000, told.append))
    assert told == ["1 x 10 s, fp32"]
    assert [(cell.utterances, cell.out_of_memory, cell.ran) for cell in cells] == [(1, True, True), (2, True, False)]
    assert cells[1].flops == 2 * cells[0].flops == workload("tera", utterances=2, samples=160_000).flops
    assert cells[0].step_seconds is cells[0].peak_bytes is None


def test_only_larger_cells_are_skipped(workload: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 x 5 s runs out of memory in fp32: so do 4 x 5 s and 2 x 10 s, but 4 x 1 s, 1 x 10 s and bf16 are tried."""
    monkeypatch.setattr(grid, "Worker", Told)
    cells = list(cells_of(OURS, workload("tera"), [1, 5, 10], [1, 2, 4], ["fp32", "bf16"], 2, None, lambda line: None))
    skipped = [(cell.seconds, cell.utterances) for cell in cells if not cell.ran]
    assert skipped == [(5, 4), (10, 2), (10, 4)]
    full = [(cell.seconds, cell.utterances, cell.precision) for cell in cells if cell.out_of_memory]
    assert full == [(5, 2, "fp32"), (5, 4, "fp32"), (10, 1, "fp32"), (10, 2, "fp32"), (10, 4, "fp32"), (10, 4, "bf16")]
    assert (cells[0].step_seconds, cells[0].peak_bytes) == (6.5, 5), "the median of both timed steps"


def test_other_failures_are_told(workload: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Told, number: int) -> Phases:
        raise StepFailed("no kernel image")

    monkeypatch.setattr(grid, "Worker", Told)
    monkeypatch.setattr(Told, "step", fail)
    with pytest.raises(BudgetError, match="fairseq-budget, 2 x 1 s, bf16: no kernel image"):
        list(cells_of(OURS, workload("tera"), [1], [2], ["bf16"], 1, None, lambda line: None))
