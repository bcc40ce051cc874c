"""What a run has spent so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from fairseq_budget.arithmetic.currencies import with_current_names


@dataclass
class Cost:
    """What batches cost.  Costs add up, over accumulated steps and ranks."""

    flops: int = 0
    """Model FLOPs: of every layer, on the samples heard."""
    hardware_flops: int = 0
    """FLOPs executed: with padding and recomputation, without layers that LayerDrop skipped."""
    samples: int = 0
    """Audio heard, at 16 kHz, after cropping."""
    unique_samples: int = 0
    """Those that no earlier batch has heard."""
    skipped_updates: int = 0
    """Updates that were computed, but dropped: their gradients overflowed.  Every rank counts them."""
    device_seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Cost)))


@dataclass
class Ledger:
    """Totals since the first update, in exact integers where they are counts."""

    flops: int = 0
    hardware_flops: int = 0
    samples: int = 0
    unique_samples: int = 0
    skipped_updates: int = 0
    device_seconds: float = 0.0
    wall_seconds: float = 0.0
    updates: int = 0

    def charge(self, cost: Cost, ranks: int = 1) -> None:
        """Enter one update, summed over `ranks`."""
        self.flops += cost.flops
        self.hardware_flops += cost.hardware_flops
        self.samples += cost.samples
        self.unique_samples += cost.unique_samples
        self.skipped_updates += cost.skipped_updates // ranks
        self.device_seconds += cost.device_seconds
        self.wall_seconds += cost.device_seconds / ranks
        self.updates += 1

    def state_dict(self) -> dict[str, int | float]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, int | float]) -> None:
        """Take over totals; those of earlier versions have former names."""
        current = with_current_names(state)
        for f in fields(self):
            setattr(self, f.name, current[f.name])
