"""Learning rates as pure functions of progress.

Progress is the share of the budget that is spent, from 0 to 1, so that a decay ends exactly when the budget does.  Every
function returns the factor that multiplies the maximum learning rate.
"""

from __future__ import annotations

from fairseq_budget.errors import ConfigError


def check_share(name: str, share: float) -> float:
    """`share` if it lies in [0, 1); a warm-up as long as the run would never end."""
    if not 0 <= share < 1:
        raise ConfigError(f"`lr_scheduler.{name}` must be at least 0 and below 1 (a share of the budget), but is {share:g}")
    return share


def polynomial(progress: float, warmup: float, power: float = 1.0) -> float:
    """Linear up over the share `warmup`, then ``((1 - progress) / (1 - warmup)) ** power`` down to 0.

    fairseq's `polynomial_decay` with the budget in the place of its number of updates (Liu et al. 2024: power 1, 32,000
    of Slim's 400,000 updates of warm-up, a share of 0.08).
    """
    if progress < warmup:
        return progress / warmup
    return max(0.0, (1 - progress) / (1 - warmup)) ** power


def triangular(progress: float, cycles: int = 8, minimum: float = 0.01) -> float:
    """`cycles` triangles, linear up from `minimum` to 1 and down again.

    Vaessen and van Leeuwen: 8 cycles of 25k updates up and 25k down, minimum = maximum / 100.  The end of a cycle is where
    checkpoints compare fairly.
    """
    phase = min(progress, 1.0) * cycles % 1.0 if progress < 1 else 1.0
    return minimum + (1 - minimum) * (1 - abs(2 * phase - 1))
