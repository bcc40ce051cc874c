"""What a budget can be counted in.  To add a currency is to add an entry to :data:`CURRENCIES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import SECONDS_PER_HOUR, hours_from_samples, human_flops

if TYPE_CHECKING:
    from fairseq_budget.arithmetic.ledger import Ledger


@dataclass(frozen=True)
class Currency:
    """Something that training spends."""

    name: str
    """Of the setting ``task.budget.<name>``, of the entries in log and record."""
    help: str
    """Unit and meaning, for help pages."""
    spent: Callable[[Ledger], float]
    """The amount that a ledger holds."""
    show: Callable[[float], str]
    """An amount with its unit, for people."""
    timed: bool = False
    """Whether a plan needs the seconds of an update to foretell it."""
    logged: bool = True
    """Whether the log needs an entry; fairseq logs the number of updates itself."""
    former_name: str | None = None
    """A name that settings, records and checkpoints of earlier versions have."""


CURRENCIES: dict[str, Currency] = {
    currency.name: currency
    for currency in (
        Currency(
            "flops",
            "model FLOPs of all ranks, forward x 3 (paper A: 1.33e18)",
            spent=lambda ledger: ledger.flops,
            show=human_flops,
        ),
        Currency(
            "hours_heard",
            "hours of audio that went through the model, after cropping",
            spent=lambda ledger: hours_from_samples(ledger.samples),
            show=lambda amount: f"{numbers.hours(amount)} heard",
        ),
        Currency(
            "device_hours",
            "hours of wall time x ranks",
            spent=lambda ledger: ledger.device_seconds / SECONDS_PER_HOUR,
            show=lambda amount: f"{numbers.hours(amount)} of device time",
            timed=True,
            former_name="machine_hours",
        ),
        Currency(
            "updates",
            "parameter updates",
            spent=lambda ledger: ledger.updates,
            show=lambda amount: f"{numbers.count(amount)} updates",
            logged=False,
        ),
    )
}

FORMER_NAMES = {"machine_seconds": "device_seconds"} | {
    currency.former_name: currency.name for currency in CURRENCIES.values() if currency.former_name
}
"""Names in files of earlier versions, and today's."""


def with_current_names(amounts: Mapping[str, float]) -> dict[str, float]:
    """Amounts of a record or a checkpoint, former names replaced."""
    return {FORMER_NAMES.get(name, name): amount for name, amount in amounts.items()}


def amounts_spent(ledger: Ledger) -> dict[str, float]:
    """What a ledger holds, in every currency."""
    return {name: currency.spent(ledger) for name, currency in CURRENCIES.items()}


def show_amounts(amounts: Mapping[str, float]) -> str:
    """A budget for people: ``3.00 TFLOP``; several end a run at whichever is reached first."""
    return " or ".join(CURRENCIES[name].show(value) for name, value in sorted(amounts.items()))
