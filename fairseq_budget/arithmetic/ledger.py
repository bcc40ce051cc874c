"""What a run has spent so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from fairseq_budget.arithmetic.units import SECONDS_PER_HOUR, hours_from_samples


@dataclass
class Cost:
    """What a batch costs: model FLOPs, FLOPs executed, samples heard (after cropping), machine seconds.

    Costs add up, over accumulation steps and workers.
    """

    flops: int = 0
    hardware_flops: int = 0
    samples: int = 0
    machine_seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Cost)))


@dataclass
class Ledger:
    """Totals since the first update, in exact integers where they are counts."""

    flops: int = 0
    hardware_flops: int = 0
    samples: int = 0
    machine_seconds: float = 0.0
    wall_seconds: float = 0.0
    updates: int = 0

    def charge(self, cost: Cost, workers: int = 1) -> None:
        """Enter one update, summed over `workers`."""
        self.flops += cost.flops
        self.hardware_flops += cost.hardware_flops
        self.samples += cost.samples
        self.machine_seconds += cost.machine_seconds
        self.wall_seconds += cost.machine_seconds / workers
        self.updates += 1

    def spent(self, currency: str) -> float:
        """Amount spent in a currency of :data:`fairseq_budget.arithmetic.budget.CURRENCIES`."""
        return {
            "flops": self.flops,
            "hours_heard": hours_from_samples(self.samples),
            "machine_hours": self.machine_seconds / SECONDS_PER_HOUR,
            "updates": self.updates,
        }[currency]

    def state_dict(self) -> dict[str, int | float]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, int | float]) -> None:
        for f in fields(self):
            setattr(self, f.name, state[f.name])
