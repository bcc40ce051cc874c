"""Both fits side by side: the optimum at each budget, how it grows with the budget, and what to be careful about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.objectives import OBJECTIVES, shape_of
from fairseq_budget.planning.isoflop import parabola, parametric
from fairseq_budget.planning.isoflop.intervals import CONFIDENCE, Array, interval, size_interval
from fairseq_budget.planning.isoflop.points import Point, by_budget

FEWEST_RESAMPLES = 100
PARAMETRIC_SHARE = 5
"""The parametric fit, a thousand times slower, is resampled this many times less often."""


@dataclass(frozen=True)
class Optimum:
    """The best size at a budget by one approach, in parameters; its interval is None where the runs don't bound it."""

    params: float
    interval: tuple[float, float] | None
    percent_of_slim: float | None
    """None for an objective that has no Slim."""


@dataclass(frozen=True)
class PowerLaw:
    """``optimum = coefficient * FLOPs ** exponent`` through the optima of several budgets."""

    coefficient: float
    exponent: float
    interval: tuple[float, float] | None
    """Of the exponent."""


@dataclass(frozen=True)
class BudgetFit:
    """One budget: FLOPs (geometric mean of what its runs spent), its grid, and both optima."""

    flops: float
    runs: int
    sizes: int
    smallest: float
    largest: float
    parabola: Optimum
    parametric: Optimum | None
    """None without a parametric fit, or where its optimum lies outside this budget's grid."""
    gap_percent: float | None
    """How much larger the parametric optimum is than the parabola's."""


@dataclass(frozen=True)
class Analysis:
    """What the command shows: numbers for tables and JSON, and the fitted curves for the picture."""

    objective: str
    measure: str
    unit: str
    budgets: tuple[BudgetFit, ...]
    power_law_parabola: PowerLaw | None
    power_law_parametric: PowerLaw | None
    cautions: tuple[str, ...]
    resamples: int
    seed: int
    curves: tuple[tuple[list[Point], parabola.Parabola], ...]
    surface: parametric.Surface | None

    def as_dict(self) -> dict[str, object]:
        """For a program: everything but the curves."""
        laws = {"parabola": self.power_law_parabola, "parametric": self.power_law_parametric}
        return {
            "objective": self.objective,
            "measure": self.measure,
            "unit": self.unit,
            "budgets": [asdict(fit) for fit in self.budgets],
            "power_law": {name: law and asdict(law) for name, law in laws.items()},
            "surface": self.coefficients,
            "warnings": list(self.cautions),
            "bootstrap": {
                "confidence": CONFIDENCE,
                "resamples": self.resamples,
                "parametric_resamples": self.resamples // PARAMETRIC_SHARE,
                "seed": self.seed,
            },
        }

    @property
    def coefficients(self) -> dict[str, float] | None:
        """Of the parametric fit; None for one budget, at which many sets of them have the same curve."""
        return self.surface.coefficients if self.surface and len(self.budgets) > 1 else None


def analyse(points: Sequence[Point], measure: str = "valid_loss", resamples: int = 1000, seed: int = 0) -> Analysis:
    """Optimal sizes of comparable runs (:func:`fairseq_budget.planning.isoflop.points.read_points`).

    Args:
        measure: what the points' values are, for the report.
        resamples: of the residuals, for the parabolas' intervals.

    Raises:
        ConfigError: too few resamples, or a negative seed.
        BudgetError: no budget with enough sizes and an optimum inside its grid; one among others is left out.
    """
    if resamples < FEWEST_RESAMPLES:
        raise ConfigError(f"`resamples` must be at least {FEWEST_RESAMPLES} to have a 2.5% tail, but is {resamples}")
    if seed < 0:
        raise ConfigError(f"`seed` must be 0 or more, but is {seed}")
    curves, left_out = _curves(by_budget(points), resamples, seed)
    flops = [float(np.exp(np.mean(np.log([run.flops for run in runs])))) for runs, _ in curves]
    surface = parametric.fit_surface(points)
    samples = _parametric_samples(surface, flops, resamples // PARAMETRIC_SHARE, seed)
    budgets = tuple(_fit(curve, surface, *of) for curve, of in zip(curves, zip(flops, samples, strict=True), strict=True))
    return Analysis(
        objective=points[0].setting.objective,
        measure=measure,
        unit=points[0].setting.loss_unit,
        budgets=budgets,
        power_law_parabola=_power_law(flops, [fit.parabola for fit in budgets], [c.log_samples for _, c in curves]),
        power_law_parametric=_power_law(flops, [fit.parametric for fit in budgets], samples),
        cautions=(*left_out, *_cautions(curves, budgets, surface)),
        resamples=resamples,
        seed=seed,
        curves=tuple(curves),
        surface=surface,
    )


def _curves(
    groups: Sequence[list[Point]], resamples: int, seed: int
) -> tuple[list[tuple[list[Point], parabola.Parabola]], list[str]]:
    """Each budget's parabola, and a sentence for each budget that has none; raises what is wrong where no budget has one."""
    found, problems = [], []
    for place, runs in enumerate(groups):
        try:
            found.append((runs, parabola.fit_parabola(runs, resamples, seed + place)))
        except BudgetError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return found, [f"left out: {problem}" for problem in problems]


def _parametric_samples(surface: parametric.Surface | None, flops: list[float], resamples: int, seed: int) -> list[Array]:
    """Log optima of the resampled surfaces for each budget; empty without a surface."""
    if surface is None:
        return [np.empty(0)] * len(flops)
    surfaces = parametric.resampled(surface, resamples, seed)
    return [np.array([drawn.optimum(amount) for drawn in surfaces]) for amount in flops]


def _fit(
    curve: tuple[list[Point], parabola.Parabola], surface: parametric.Surface | None, flops: float, samples: Array
) -> BudgetFit:
    runs, fit = curve
    sizes = sorted({run.params for run in runs})
    objective = runs[0].setting.objective
    params = math.exp(surface.optimum(flops)) if surface else math.nan
    second = None
    if sizes[0] <= params <= sizes[-1]:
        bounds = size_interval(samples, np.log(sizes))
        second = Optimum(params, bounds, _percent_of_slim(objective, params))
    return BudgetFit(
        flops=flops,
        runs=len(runs),
        sizes=len(sizes),
        smallest=sizes[0],
        largest=sizes[-1],
        parabola=Optimum(fit.optimum, fit.interval, _percent_of_slim(objective, fit.optimum)),
        parametric=second,
        gap_percent=100 * (second.params / fit.optimum - 1) if second else None,
    )


def _percent_of_slim(objective: str, params: float) -> float | None:
    if objective not in OBJECTIVES:
        return None
    return 100 * params / count_parameters(shape_of(objective, SIZES["slim"]))


def _power_law(flops: list[float], optima: Sequence[Optimum | None], samples: Sequence[Array]) -> PowerLaw | None:
    """A line in log-log through the optima; its interval from a line through each resample's."""
    sizes = [optimum.params for optimum in optima if optimum is not None]
    if len(flops) < 2 or len(sizes) < len(flops):
        return None
    x = np.log(flops)
    slope, level = np.polyfit(x - x.mean(), np.log(sizes), 1)
    bounds = None
    if all(column.size for column in samples):
        deviations = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
        bounds = interval(deviations @ np.stack(samples))
    return PowerLaw(float(np.exp(level - slope * x.mean())), float(slope), bounds)


def _cautions(
    curves: Sequence[tuple[list[Point], parabola.Parabola]],
    budgets: Sequence[BudgetFit],
    surface: parametric.Surface | None,
) -> Iterator[str]:
    for (runs, fit), budget in zip(curves, budgets, strict=True):
        for sentence in (*parabola.cautions(runs, fit), *_disagreement(budget, surface)):
            yield f"{human_flops(budget.flops)}: {sentence}"
    if surface is None:
        total = sum(budget.runs for budget in budgets)
        yield f"no parametric fit: it has {parametric.COEFFICIENTS} coefficients and needs more runs than that, not {total}"
        return
    if len(budgets) == 1:
        yield "one budget: no power law, and the surface can't be extrapolated; only its minimum means something"
    if surface.runs.hours_heard is None:
        yield "`hours_heard` isn't recorded for every run: the parametric fit takes FLOPs / parameters for audio heard"


def _disagreement(budget: BudgetFit, surface: parametric.Surface | None) -> Iterator[str]:
    if surface is None:
        return
    if budget.parametric is None:
        yield "the parametric fit has no optimum inside the grid; add sizes at both ends or seeds"
        return
    bounds = budget.parabola.interval
    if bounds and not bounds[0] <= budget.parametric.params <= bounds[1]:
        yield (
            f"the gap of {budget.gap_percent:+.1f}% puts the parametric optimum outside the parabola's interval; "
            "the curve is no parabola, or too few runs tell what it is"
        )
