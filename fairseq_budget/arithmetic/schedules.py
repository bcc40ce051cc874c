"""Learning rates as pure functions of progress.

Progress is the share of the budget that is spent, from 0 to 1, so that a decay ends exactly when the budget does.  Every
function returns the factor that multiplies the maximum learning rate.
"""

from __future__ import annotations

import math

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


def polynomial_by_updates(progress: float, updates: int, warmup_updates: int, warmed_up: float, power: float = 1.0) -> float:
    """Linear up over `warmup_updates` updates, then down to 0 as :func:`polynomial`; `warmed_up` is the progress then.

    Liu et al. 2024, as its authors configured it: 32,000 updates of warm-up for every size and budget, hence between 5.8%
    (size 30) and 44.3% (wav2vec 2.0 Large) of a run.
    """
    if updates < warmup_updates:
        return updates / warmup_updates
    return max(0.0, (1 - progress) / (1 - warmed_up)) ** power if warmed_up < 1 else 0.0


def triangular(progress: float, cycles: int = 8, minimum: float = 0.01) -> float:
    """`cycles` triangles, linear up from `minimum` to 1 and down again.

    Vaessen and van Leeuwen: 8 cycles of 25k updates up and 25k down, minimum = maximum / 100.  The end of a cycle is where
    checkpoints compare fairly.
    """
    phase = min(progress, 1.0) * cycles % 1.0 if progress < 1 else 1.0
    return minimum + (1 - minimum) * (1 - abs(2 * phase - 1))


def tri_stage(progress: float, warmup: float, hold: float, initial: float = 0.01, final: float = 0.05) -> float:
    """Linear from `initial` up to 1 over the share `warmup`, constant over `hold`, then ``final ** t`` down to `final`.

    Park et al. 2019 ("SpecAugment", section 3.2), as fairseq's `tri_stage`; Vaessen and van Leeuwen fine-tune with shares of
    0.1, 0.4 and 0.5, from 5e-7 over 5e-5 to 2.5e-6.
    """
    if progress < warmup:
        return initial + (1 - initial) * progress / warmup
    if progress < warmup + hold:
        return 1.0
    return math.exp(math.log(final) * min(1.0, (progress - warmup - hold) / (1 - warmup - hold)))


def cooldown(progress: float, warmup: float, share: float) -> float:
    """Linear up over the share `warmup`, constant, and linear down to 0 over the last `share`.

    Hägele et al. 2024 ("Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations"): branches that cool down
    from the checkpoints of one constant trunk (`share` 0) reach what separate runs of as many budgets would.
    """
    if progress < warmup:
        return progress / warmup
    if share == 0 or progress < 1 - share:
        return 1.0
    return max(0.0, (1 - progress) / share)


def check_sum(shares: dict[str, float], below: bool = False) -> None:
    """Shares of a run have to make up the whole of it; with `below` they may leave something over, not nothing."""
    total = sum(shares.values())
    names = " + ".join(f"`lr_scheduler.{name}`" for name in shares)
    if below and total >= 1:
        raise ConfigError(f"{names} must stay below 1 (the whole budget), but is {total:g}")
    if not below and not math.isclose(total, 1):
        raise ConfigError(f"{names} must be 1 (the whole budget), but is {total:g}")
