"""Comparisons take turns, and a peer that fails keeps its row."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from itertools import cycle

import pytest

from fairseq_budget.bench import compare as module
from fairseq_budget.bench.compare import Comparison, Entry, Ratio, compare
from fairseq_budget.bench.implementations import OURS, implementation_class
from fairseq_budget.bench.worker import StepFailed
from fairseq_budget.bench.workload import Workload
from fairseq_budget.planning.steps import Phases

Build = Callable[..., Workload]


@pytest.fixture(autouse=True)
def known_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates are measured in a test of their own; here the best round's is 1e12, and twice that in bf16."""
    rates = cycle((7e11, 1e12, 9e11))
    monkeypatch.setattr(module, "enough_rows", lambda device, precision: 2 if precision == "bf16" else 1)
    monkeypatch.setattr(module, "matmul_rate", lambda device, precision, repeats, rows: rows * next(rates))


class Told:
    """Takes as long as it is told to, and writes down when."""

    order: list[tuple[str, int]] = []

    def __init__(self, entry: Entry) -> None:
        self.name, self.peak_bytes = entry.implementation, None

    def step(self, number: int) -> Phases:
        self.order.append((self.name, number))
        self.peak_bytes = 100 * number
        if self.name == "torchaudio" and number == 2:
            raise StepFailed("out of memory")
        return Phases(1.0, 2.0, 1.0) if self.name == OURS else Phases(3.0, 6.0, number)


def silent(line: str) -> None:
    """Nobody looks."""


def here(entry: Entry) -> AbstractContextManager:
    """The entry's implementation in this process."""
    implementation = implementation_class(entry.implementation)(entry.workload)
    implementation.peak_bytes = 7
    return nullcontext(implementation)


def told(workload: Build, implementations: list[str], in_turns: bool) -> Comparison:
    Told.order.clear()
    entries = [Entry(name, workload("hubert")) for name in implementations]
    return compare(entries, 3, in_turns, silent, start=lambda entry: nullcontext(Told(entry)))


def test_a_comparison(workload: Build) -> None:
    entries = [Entry(OURS, workload("tera")), Entry(OURS, workload("tera", "bf16")), Entry("fairseq", workload("tera"))]
    lines: list[str] = []
    comparison = compare(entries, 2, in_turns=True, report=lines.append, start=here)
    assert lines[-1] == "step 2 of 2, fairseq-budget bf16"
    assert comparison.matmul_flops_per_second == {"fp32": 1e12, "bf16": 2e12}, "the best of three rounds"
    ours, half, stock = comparison.rows
    assert [row.precision for row in comparison.rows] == ["fp32", "bf16", "fp32"]
    assert set(ours.times_faster) == {"fairseq-budget bf16"}
    assert set(stock.times_faster) == {"fairseq-budget fp32", "fairseq-budget bf16"}
    flops = workload("tera").flops
    assert stock.flops_per_second == pytest.approx(flops / stock.step_seconds)
    assert half.matmul_share == pytest.approx(flops / half.step_seconds / 2e12)
    assert ours.audio_seconds_per_second == pytest.approx(1.0 / ours.step_seconds)
    assert ours.peak_bytes == 7
    row = json.loads(json.dumps(asdict(comparison)))["rows"][2]
    assert set(row["seconds"]) == {"forward", "backward", "optimizer"}
    assert set(row["times_faster"]["fairseq-budget fp32"]) == {"median", "lowest", "highest"}


def test_steps_take_turns(workload: Build) -> None:
    """In each round everyone does the same batch once, and another one begins; the first round isn't timed."""
    rows = told(workload, [OURS, "fairseq"], in_turns=True).rows
    assert Told.order[:4] == [(OURS, 0), ("fairseq", 0), ("fairseq", 1), (OURS, 1)]
    assert Told.order[4:] == [(OURS, 2), ("fairseq", 2), ("fairseq", 3), (OURS, 3)]
    assert rows[1].seconds == Phases(3.0, 6.0, 2.0)
    assert rows[1].step_seconds == 11
    assert rows[1].times_faster == {"fairseq-budget fp32": Ratio(11 / 4, 10 / 4, 12 / 4)}
    assert rows[1].peak_bytes == 300


def test_one_after_the_other(workload: Build) -> None:
    alone = told(workload, [OURS, "fairseq"], in_turns=False)
    assert Told.order == [(OURS, 0), (OURS, 1), (OURS, 2), (OURS, 3), *(("fairseq", number) for number in range(4))]
    assert not alone.in_turns
    assert alone.rows == told(workload, [OURS, "fairseq"], in_turns=True).rows


def test_an_implementation_that_fails_keeps_its_row(workload: Build) -> None:
    failed, ours, stock = told(workload, ["torchaudio", OURS, "fairseq"], in_turns=True).rows
    assert failed.failure == "out of memory"
    assert failed.step_seconds is failed.times_faster is None
    assert ("torchaudio", 3) not in Told.order
    assert ours.step_seconds == 4
    assert stock.times_faster.keys() == {"fairseq-budget fp32"}
