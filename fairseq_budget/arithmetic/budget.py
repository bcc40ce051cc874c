"""A budget: a currency and an amount, or several, of which the one reached first ends the run."""

from __future__ import annotations

from collections.abc import Mapping

from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.errors import ConfigError, unknown_name

CURRENCIES = ("flops", "hours_heard", "machine_hours", "updates")
"""Model FLOPs; hours of audio that went through the model; workers x wall time; parameter updates."""


class Budget:
    """Amounts by currency.

    Raises:
        ConfigError: no amount at all, an unknown currency, or an amount that isn't positive.
    """

    def __init__(self, amounts: Mapping[str, float | None]) -> None:
        self.amounts = {name: float(amount) for name, amount in amounts.items() if amount is not None}
        for name, amount in self.amounts.items():
            if name not in CURRENCIES:
                raise unknown_name("currency", name, CURRENCIES)
            if not amount > 0:
                raise ConfigError(f"`task.budget.{name}` must be positive, but is {amount:g}")
        if not self.amounts:
            raise ConfigError(f"a budget is needed: set `budget=paper` or one of `task.budget.{{{','.join(CURRENCIES)}}}`")

    def share(self, ledger: Ledger) -> float:
        """Spent over amount, of the currency that is furthest; 1 or more when the budget is spent."""
        return max(ledger.spent(name) / amount for name, amount in self.amounts.items())
