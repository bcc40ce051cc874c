"""What a budget buys, before the run: the arithmetic of the ledger with a typical batch in the place of the real ones.

Definitions, for W ranks, A accumulated steps, S samples a batch and rank, packing efficiency p and crops of c samples:

- samples heard in an update: ``W * A * S * p``
- FLOPs of an update: ``W * A * S * p / c * training_flops(one crop)``
- updates: the first whole number of them that spends the budget, where the trainer stops too
- epochs: hours heard / hours of data
- device hours: ranks x wall time, as in the ledger
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.currencies import CURRENCIES, amounts_spent
from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.units import SAMPLE_RATE, SECONDS_PER_HOUR, hours_from_samples
from fairseq_budget.errors import BudgetError, ConfigError


@dataclass(frozen=True)
class Setting:
    """What an update is made of.  The defaults are those of Liu et al. 2024."""

    ranks: int = 2
    samples_per_batch: int = 1_400_000
    """Samples of a rank's batch at most (fairseq's `dataset.max_tokens`): 87.5 s."""
    accumulation: int = 1
    """Batches that a rank adds up for one update (fairseq's `optimization.update_freq`)."""
    crop: int = 222_000
    """Samples of the utterance that stands for all: 13.9 s, about the median of LibriSpeech-960 (14.1 s) once batches are
    cropped to their shortest.  It only matters to attention, whose cost grows with the square of the length."""
    packing: float = 0.888
    """Share of `samples_per_batch` that is heard, after batches were filled with whole utterances and cropped to their
    shortest.  Full batches would take the published runs of the smallest and the largest size through 27.85 and 3.66 epochs;
    the paper has 24.74 and 3.25: 0.888 of both."""
    data_hours: float = 960.0

    def validate(self, shape: ModelShape) -> None:
        """Refuse what no run can have; every problem is named at once.

        Raises:
            ConfigError: a value that isn't positive or finite, packing above 1, a crop without a frame or fits no batch.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        problems = [_not_positive(name, value) for name, value in values.items() if not 0 < value < math.inf]
        if self.packing > 1:
            problems.append(f"`packing` is a share and cannot exceed 1, but is {self.packing:g}")
        if 0 < self.crop < shape.shortest_crop:
            problems.append(
                f"`crop` must be at least {shape.shortest_crop} samples, which give one frame, but is {self.crop}"
            )
        if self.crop > self.samples_per_batch > 0:
            problems.append(f"a `crop` of {self.crop} doesn't fit into `samples_per_batch` = {self.samples_per_batch}")
        if problems:
            raise ConfigError("; ".join(problems))

    @property
    def samples_per_update(self) -> float:
        """Samples heard in an update, over all ranks and accumulated batches."""
        return self.ranks * self.accumulation * self.samples_per_batch * self.packing

    def flops_per_update(self, shape: ModelShape) -> int:
        """Model FLOPs of an update (:mod:`fairseq_budget.arithmetic.flops`)."""
        return round(self.samples_per_update / self.crop * training_flops(shape, [self.crop]))


@dataclass(frozen=True)
class PlannedRun:
    """One row of a plan.  What needs the seconds of an update is None where they aren't known."""

    name: str
    params: int
    flops_per_update: int
    updates: int
    flops: int
    hours_heard: float
    epochs: float
    step_seconds: float | None = None
    """From one update to the next, all accumulated batches included."""
    wall_hours: float | None = None
    device_hours: float | None = None
    price: float | None = None
    """In the currency of the price per device hour."""


def plan_run(
    name: str, shape: ModelShape, budget: Budget, setting: Setting, step_seconds: float | None = None
) -> PlannedRun:
    """What `budget` buys for a model of this shape; of several currencies, the one reached first ends the run.

    Raises:
        ConfigError: an impossible setting, or a budget in device hours without `step_seconds`.
        BudgetError: the budget is below a single update.
    """
    setting.validate(shape)
    if step_seconds is not None and not 0 < step_seconds < math.inf:
        raise ConfigError(_not_positive("step_seconds", step_seconds))
    update = _one_update(shape, setting, step_seconds)
    updates = _updates(name, budget, update)
    hours_heard = updates * setting.samples_per_update / (SAMPLE_RATE * SECONDS_PER_HOUR)
    run = PlannedRun(
        name=name,
        params=count_parameters(shape),
        flops_per_update=update.flops,
        updates=updates,
        flops=updates * update.flops,
        hours_heard=hours_heard,
        epochs=hours_heard / setting.data_hours,
    )
    if step_seconds is None:
        return run
    wall_hours = updates * step_seconds / SECONDS_PER_HOUR
    return replace(run, step_seconds=step_seconds, wall_hours=wall_hours, device_hours=wall_hours * setting.ranks)


def plan_phases(name: str, phases: Sequence[tuple[int | None, ModelShape]], budget: Budget, setting: Setting) -> PlannedRun:
    """The same of a run whose parts are trained in turns, as in fine-tuning.

    Args:
        phases: updates of each and what is trained in it; the last one, with None, lasts as long as there is budget.

    Raises:
        ConfigError, BudgetError: see :func:`plan_run`.
    """
    total = Ledger()
    for limit, shape in phases:
        setting.validate(shape)
        update = _one_update(shape, setting, None)
        one, spent = amounts_spent(update), amounts_spent(total)
        whole = _updates(name, budget, update) if not total.updates else math.inf
        left = min((amount - spent[currency]) / one[currency] for currency, amount in budget.amounts.items())
        updates = int(min(math.ceil(round(left, 6)), whole, math.inf if limit is None else limit))
        total.flops += updates * update.flops
        total.samples += updates * update.samples
        total.updates += updates
    hours = hours_from_samples(total.samples)
    return PlannedRun(
        name=name,
        params=count_parameters(phases[0][1]),
        flops_per_update=round(total.flops / total.updates),
        updates=total.updates,
        flops=total.flops,
        hours_heard=hours,
        epochs=hours / setting.data_hours,
    )


def price_runs(runs: Iterable[PlannedRun], price_per_device_hour: float) -> list[PlannedRun]:
    """The same runs with what they cost.

    Raises:
        ConfigError: a price that isn't positive, or a run whose device hours aren't known.
    """
    if not 0 < price_per_device_hour < math.inf:
        raise ConfigError(_not_positive("price_per_device_hour", price_per_device_hour))
    priced = []
    for run in runs:
        if run.device_hours is None:
            raise ConfigError("`price_per_device_hour` needs to know how long an update takes: give `step_seconds`")
        priced.append(replace(run, price=run.device_hours * price_per_device_hour))
    return priced


def _one_update(shape: ModelShape, setting: Setting, step_seconds: float | None) -> Ledger:
    return Ledger(
        flops=setting.flops_per_update(shape),
        samples=round(setting.samples_per_update),
        device_seconds=(step_seconds or 0.0) * setting.ranks,
        updates=1,
    )


def _updates(name: str, budget: Budget, update: Ledger) -> int:
    """The update at which the trainer finds the budget spent."""
    for currency in budget.amounts:
        if CURRENCIES[currency].timed and not update.device_seconds:
            raise ConfigError(f"a budget in `{currency}` needs to know how long an update takes: give `step_seconds`")
    one = amounts_spent(update)
    counts = {currency: amount / one[currency] for currency, amount in budget.amounts.items()}
    currency = min(counts, key=lambda key: counts[key])
    if not math.isfinite(counts[currency]):
        raise ConfigError(f"`{currency}` must be a finite number, but is {budget.amounts[currency]:g}")
    if counts[currency] < 1:
        raise BudgetError(
            f"`{currency}` = {budget.amounts[currency]:g} is less than one update of {name} "
            f"({one[currency]:.3g}): give more, a smaller batch or smaller sizes"
        )
    # a quotient that is whole up to rounding of floats is whole
    return math.ceil(round(counts[currency], 6))


def _not_positive(name: str, value: float) -> str:
    return f"`{name}` must be a positive, finite number, but is {value:g}"
