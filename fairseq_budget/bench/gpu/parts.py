"""The parts of the check, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fairseq_budget.bench.gpu.memory import memory
from fairseq_budget.bench.gpu.numbers import numbers
from fairseq_budget.bench.gpu.observation import Observation, Target
from fairseq_budget.bench.gpu.speed import speed
from fairseq_budget.bench.gpu.training import ranks, training
from fairseq_budget.bench.gpu.waits import waits
from fairseq_budget.errors import unknown_name

PARTS: dict[str, Callable[[Target], Iterator[Observation]]] = {
    "numbers": numbers,
    "waits": waits,
    "memory": memory,
    "training": training,
    "ranks": ranks,
    "speed": speed,
}


@dataclass
class Checked:
    """A part, the seconds that it took, what it found, and why it ended early where it did."""

    part: str
    seconds: float = 0.0
    observations: list[Observation] = field(default_factory=list)
    failure: str | None = None

    @property
    def good(self) -> bool:
        return self.failure is None and all(observation.good is not False for observation in self.observations)


def check(names: Sequence[str], target: Target, report: Callable[[str], None]) -> Iterator[Checked]:
    """Run parts one after the other; one that fails keeps what it had found, and the others go on.

    Raises:
        ConfigError: an unknown part.
    """
    for name in names:
        if name not in PARTS:
            raise unknown_name("part", name, PARTS)
    for name in names:
        report(name)
        begun, checked = time.monotonic(), Checked(name)
        try:
            for observation in PARTS[name](target):
                checked.observations.append(observation)
        except Exception as error:  # whatever a driver does, the table is what this is run for
            checked.failure = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        checked.seconds = time.monotonic() - begun
        yield checked
