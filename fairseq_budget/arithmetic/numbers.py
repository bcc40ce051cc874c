"""Numbers for people: three significant digits and a unit that suits.  NaN, which is no number, becomes a dash."""

from __future__ import annotations

import math

from fairseq_budget.arithmetic.units import SECONDS_PER_HOUR, human_flops

NOTHING = "–"
"""What stands where there is no number."""


def significant(value: float, digits: int = 3) -> str:
    """`value` rounded to significant digits, thousands grouped, at least one decimal below 100: ``3.0``, ``12.4``."""
    whole, point, fraction = _rounded(value, digits).partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}" if point else whole


def measure(value: float | None) -> str:
    """A share in three decimals, something larger in one; a dash for what isn't known: ``0.135``, ``12.3``."""
    return NOTHING if value is None else f"{value:.3f}" if value < 1 else f"{value:.1f}"


def loss(value: float) -> str:
    """A loss with four significant digits, zeros at the end kept so that columns line up: ``4.200``."""
    return _rounded(value, 4)


def count(value: float) -> str:
    """A whole number with grouped thousands: ``72,234``."""
    return NOTHING if math.isnan(value) else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share of 1 in percent with one decimal: ``41.2%``."""
    return NOTHING if math.isnan(share) else f"{100 * share:.1f}%"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best: ``12.4 min``."""
    if math.isnan(seconds):
        return NOTHING
    if seconds < 60:
        return f"{significant(seconds)} s"
    if seconds < SECONDS_PER_HOUR:
        return f"{significant(seconds / 60)} min"
    return f"{significant(seconds / SECONDS_PER_HOUR)} h"


def hours(value: float) -> str:
    """The same for an amount in hours."""
    return NOTHING if math.isnan(value) else duration(value * SECONDS_PER_HOUR)


def params(value: float) -> str:
    """Parameters in millions with one decimal, as the paper prints them: ``20.0 M``; below one, two digits: ``0.031 M``."""
    return f"{value / 1e6:,.1f} M" if value >= 1e6 else f"{value / 1e6:.2g} M"


def of_slim(percent: float) -> str:
    """Percent of Slim's parameters, whole from 10 on, below with two digits: ``473``, ``0.15``."""
    return f"{percent:.0f}" if percent >= 10 or math.isnan(percent) else f"{percent:.2g}"


def flops_rate(per_second: float) -> str:
    """FLOP/s with an SI prefix."""
    return NOTHING if math.isnan(per_second) else f"{human_flops(per_second)}/s"


def score(value: float, unit: str) -> str:
    """A downstream score: percent with one decimal, any other with four significant digits."""
    return percent(value / 100) if unit == "%" else significant(value, 4)


def _rounded(value: float, digits: int) -> str:
    if math.isnan(value):
        return NOTHING
    magnitude = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"
