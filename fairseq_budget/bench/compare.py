"""Several implementations on the same batches, in turns, so that whatever else the machine does meets them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Protocol

from fairseq_budget.bench.implementations import OURS
from fairseq_budget.bench.worker import StepFailed, Worker, WorkerTask
from fairseq_budget.bench.workload import Workload
from fairseq_budget.planning.machine import enough_rows, matmul_rate, warm_up_steps
from fairseq_budget.planning.steps import Phases


@dataclass(frozen=True)
class Entry:
    """An implementation and its workload."""

    implementation: str
    workload: Workload

    @property
    def label(self) -> str:
        return f"{self.implementation} {self.workload.precision}"

    def start(self) -> Worker:
        """Its process."""
        return Worker(WorkerTask(self.implementation, asdict(self.workload)))


class Stepper(Protocol):
    """What does an entry's steps."""

    peak_bytes: int | None

    def step(self, number: int) -> Phases: ...


Start = Callable[[Entry], AbstractContextManager[Stepper]]


@dataclass
class Measured:
    """The timed steps of an entry, its peak memory, and what it failed of."""

    steps: list[Phases] = field(default_factory=list)
    peak_bytes: int | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Ratio:
    """How many times faster another one is, step by step: the median, the lowest and the highest."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, seconds: Sequence[float], others: Sequence[float]) -> Ratio:
        """From the seconds of the same steps by both."""
        ratios = [own / other for own, other in zip(seconds, others, strict=True)]
        return cls(median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class ComparisonRow:
    """What was measured of an entry; None for one that failed."""

    implementation: str
    precision: str
    failure: str | None
    step_seconds: float | None = None
    seconds: Phases | None = None
    audio_seconds_per_second: float | None = None
    flops_per_second: float | None = None
    """Model FLOPs of this project's model, by the closed form, over the seconds of a step."""
    matmul_share: float | None = None
    peak_bytes: int | None = None
    """Of its process, beyond what that had before it built the model; None also where the system doesn't tell."""
    times_faster: dict[str, Ratio] | None = None
    """By label: how many times faster this project is than this entry, in each precision."""


@dataclass(frozen=True)
class Comparison:
    """All rows, and the rate of matrix products by precision."""

    rows: list[ComparisonRow]
    matmul_flops_per_second: dict[str, float]
    repeats: int
    in_turns: bool


def compare(
    entries: Sequence[Entry],
    repeats: int,
    in_turns: bool,
    report: Callable[[str], None],
    start: Start = Entry.start,
) -> Comparison:
    """Time all entries, after steps of each to warm up: in turns, or one after the other where memory is for one only.

    `report` receives a line before each part.  An entry that cannot do its workload keeps its row.
    """
    report("matrix products")
    peak = Peak(entries)
    measured: dict[Entry, Measured] = {}
    for group in [entries] if in_turns else [[entry] for entry in entries]:
        with ExitStack() as stack:
            steppers = {entry: stack.enter_context(start(entry)) for entry in group}
            measured |= _measure(steppers, repeats, peak, report)
    ours = {
        entry.label: measured[entry] for entry in entries if entry.implementation == OURS and not measured[entry].failure
    }
    rows = [_row(entry, measured[entry], ours, peak.rates[entry.workload.precision]) for entry in entries]
    return Comparison(rows, peak.rates, repeats, in_turns)


class Peak:
    """The best rate of matrix products by precision; they take turns with the steps."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.device = entries[0].workload.device
        self.rows = {entry.workload.precision: enough_rows(self.device, entry.workload.precision) for entry in entries}
        self.rates = dict.fromkeys(self.rows, 0.0)

    def measure(self) -> None:
        """A product in each precision."""
        for precision, rows in self.rows.items():
            rate = matmul_rate(self.device, precision, repeats=1, rows=rows)
            self.rates[precision] = max(self.rates[precision], rate)


def _measure(
    steppers: dict[Entry, Stepper], repeats: int, peak: Peak, report: Callable[[str], None]
) -> dict[Entry, Measured]:
    measured = {entry: Measured() for entry in steppers}
    warm_up = warm_up_steps(peak.device)
    rounds = warm_up + repeats
    for number in range(rounds):
        peak.measure()
        for entry in _rotated(list(steppers), number):
            if measured[entry].failure is None:
                report(f"step {number} of {rounds - 1}, {entry.label}")
                _step(steppers[entry], number, number >= warm_up, measured[entry])
    return measured


def _step(stepper: Stepper, number: int, is_timed: bool, measured: Measured) -> None:
    try:
        phases = stepper.step(number)
    except StepFailed as failed:
        measured.failure = str(failed)
        return
    measured.peak_bytes = stepper.peak_bytes
    measured.steps += [phases] if is_timed else []


def _rotated(entries: Sequence[Entry], turn: int) -> Iterator[Entry]:
    """Another one begins each time."""
    for place in range(len(entries)):
        yield entries[(place + turn) % len(entries)]


def _row(entry: Entry, measured: Measured, ours: dict[str, Measured], rate: float) -> ComparisonRow:
    if measured.failure is not None:
        return ComparisonRow(entry.implementation, entry.workload.precision, measured.failure)
    own = [phases.step for phases in measured.steps]
    seconds = median(own)
    others = {label: [p.step for p in other.steps] for label, other in ours.items() if other is not measured}
    return ComparisonRow(
        entry.implementation,
        entry.workload.precision,
        None,
        seconds,
        Phases.median(measured.steps),
        entry.workload.audio_seconds / seconds,
        entry.workload.flops / seconds,
        entry.workload.flops / seconds / rate,
        measured.peak_bytes,
        {label: Ratio.of(own, steps) for label, steps in others.items()},
    )
