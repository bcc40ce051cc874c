"""Steps over a grid of lengths, batches and precisions, each in a process of its own, as Gao et al. 2022 tabulate them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from statistics import median

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.bench.worker import OutOfMemory, StepFailed, Worker, WorkerTask
from fairseq_budget.bench.workload import Workload
from fairseq_budget.errors import BudgetError
from fairseq_budget.planning.machine import warm_up_steps


@dataclass(frozen=True)
class GridCell:
    """One length, batch and precision.  None where memory ran out, or where the system doesn't tell."""

    seconds: float
    """Of each utterance."""
    utterances: int
    precision: str
    flops: int
    """Model FLOPs of a step, by the closed form."""
    out_of_memory: bool
    ran: bool
    """False where a cell that is smaller in length and batch had run out of memory."""
    step_seconds: float | None = None
    peak_bytes: int | None = None


def cells_of(
    implementation: str,
    workload: Workload,
    lengths: Sequence[float],
    batches: Sequence[int],
    precisions: Sequence[str],
    steps: int,
    memory_limit: int | None,
    report: Callable[[str], None],
) -> Iterator[GridCell]:
    """Each cell as it is measured, smaller ones first; what holds a cell that ran out of memory isn't tried.

    Raises:
        BudgetError: a cell that failed for another reason.
    """
    full: list[GridCell] = []
    for precision, seconds, utterances in product(precisions, sorted(lengths), sorted(batches)):
        there = replace(
            workload, precision=precision, utterances=utterances, samples=round(seconds * SAMPLE_RATE)
        ).validate()
        cell = GridCell(seconds, utterances, precision, there.flops, out_of_memory=True, ran=False)
        if not any(_holds(cell, other) for other in full):
            report(f"{utterances} x {seconds:g} s, {precision}")
            cell = _measured(cell, WorkerTask(implementation, asdict(there), memory_limit), steps)
        full += [cell] if cell.out_of_memory else []
        yield cell


def _holds(cell: GridCell, other: GridCell) -> bool:
    """Whether a cell is as large as another of its precision in both directions."""
    larger = cell.seconds >= other.seconds and cell.utterances >= other.utterances
    return larger and cell.precision == other.precision


def _measured(cell: GridCell, task: WorkerTask, steps: int) -> GridCell:
    try:
        with Worker(task) as worker:
            warm_up = warm_up_steps(Workload(**task.workload).device)
            phases = [worker.step(number) for number in range(warm_up + steps)][warm_up:]
            peak = worker.peak_bytes
    except OutOfMemory:
        return replace(cell, ran=True)
    except StepFailed as failed:
        name = f"{task.implementation}, {cell.utterances} x {cell.seconds:g} s, {cell.precision}"
        raise BudgetError(f"{name}: {failed}") from None
    step_seconds = median(step.step for step in phases)
    return replace(cell, out_of_memory=False, ran=True, step_seconds=step_seconds, peak_bytes=peak)
