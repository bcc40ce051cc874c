"""A budget: a currency and an amount, or several, of which the one reached first ends the run."""

from __future__ import annotations

from collections.abc import Mapping

from fairseq_budget.arithmetic.currencies import CURRENCIES
from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.errors import ConfigError, unknown_name

SPENT = 0.999
"""A run stops at the first update that reaches its amount; the share of a finished one is below 1 for rounded sums only."""


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
        return max(CURRENCIES[name].spent(ledger) / amount for name, amount in self.amounts.items())


def share_spent(budget: Mapping[str, float], spent: Mapping[str, float]) -> float:
    """The same of recorded amounts by currency; 0 without a budget."""
    return max((spent.get(name, 0.0) / amount for name, amount in budget.items() if amount > 0), default=0.0)
