"""Which size a budget is best spent on, judged by the U-curves of Liu et al. 2024, figure 2.

At 1.33e18 FLOPs the optimum of an objective is where a parabola in log(parameters) has its minimum (Hoffmann et al. 2022,
section 3.2), fitted to each of three published curves: validation loss, word error rate of ASR, equal error rate of ASV.
The loss alone would not do: wav2vec 2.0 has its lowest loss at 100% of Slim and its best ASR and ASV at 200%.  The choice
is the geometric mean of the three, its interval what they span when any one of the seven runs is left out.

Other budgets are a matter of an assumption, :data:`EXPONENT`, that nobody has tested on speech.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import geometric_mean

from numpy.polynomial import Polynomial

from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.plan import PlannedRun
from fairseq_budget.arithmetic.sizes import SIZES, Size
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends import DEFAULT, get_frontend
from fairseq_budget.objectives import OBJECTIVES, get_objective, shape_of

PUBLISHED_FLOPS = 1.33e18
"""FLOPs that each of the paper's models was trained with."""

MEASURES = {"valid_loss": "validation loss", "asr_wer": "ASR", "asv_eer": "ASV"}
"""Columns of the published curves that the choice is made by."""

EXPONENT = 0.5
EXPONENT_LOW, EXPONENT_HIGH = 0.46, 0.54
"""``N_opt ~ C ** 0.5``.  Hoffmann et al. 2022, table 2, on text: 0.50, 0.49 and 0.46 by three approaches, the second of
which (parabolas, as here) has the interval 0.462 to 0.534."""

SAME_BUDGET = 1.05
"""Within this factor of the published budget nothing is scaled but rounding to whole updates."""
FARTHEST = 100.0
"""Beyond this factor a choice is called a guess."""

OFF_CURVE = "small"
"""Three wide layers: as many parameters as Slim, but worse at equal budget (table 2), and not on the U-curve."""


@dataclass(frozen=True)
class Choice:
    """A size and how far to trust it.  The optimum and its interval are parameters, at the FLOPs that this size spends."""

    objective: str
    name: str
    params: int
    optimum_params: int
    interval: tuple[int, int]
    within_interval: list[str]
    """The planned sizes that the interval holds: by these curves, none of them is wrong."""
    flops: int
    by_measure: dict[str, int]
    """The optimum by each of :data:`MEASURES` alone."""
    confidence: str
    """`published`: at the paper's budget; `scaled`: by the assumption on budgets; `guess`: far from anything measured, in
    budget or in size."""

    @property
    def explanation(self) -> str:
        """A few sentences: what was chosen, from which curves, by which assumption."""
        slim = _params(self.objective, SIZES["slim"])
        low, high = self.interval
        shares = {measure: 100 * params / slim for measure, params in self.by_measure.items()}
        curves = ", ".join(f"{MEASURES[measure]} {share:.3g}%" for measure, share in shares.items())
        sentences = [
            f"{self.name} ({_millions(self.params)} parameters) is the size of this plan that is nearest to the optimum, "
            f"{_millions(self.optimum_params)} or {100 * self.optimum_params / slim:.3g}% of Slim; "
            f"interval {_millions(low)} to {_millions(high)}",
            "That is the minimum of parabolas through the published curves of Liu et al. 2024, figure 2, one run a size on "
            f"LibriSpeech-960 ({curves})",
            *_cautions(self),
        ]
        return ". ".join(sentences) + "."


@dataclass(frozen=True)
class NoChoice:
    """What stands in the place of a choice where nobody has published curves: of an objective, or from a front end."""

    objective: str
    frontend: str = DEFAULT
    name: None = None
    confidence: str = "none"

    @property
    def explanation(self) -> str:
        """Why no size is chosen, and what to do instead."""
        curves = [other for other in OBJECTIVES.values() if other.published_curve()]
        optima = [100 * _centre(other.name) / other.params(SIZES["slim"]) for other in curves]
        of = f"for {get_objective(self.objective).title}"
        if self.frontend != DEFAULT:
            of = f"{of} from {get_frontend(self.frontend).title} frames"
        others = ", ".join(other.title for other in curves)
        return (
            f"No size is chosen: {of} nobody has published losses or scores against sizes. At "
            f"{human_flops(PUBLISHED_FLOPS)} the optima of {others} on convolutions lie at {min(optima):.0f} to "
            f"{max(optima):.0f}% of Slim (Liu et al. 2024, figure 2); whether that holds here is untested: train three "
            "sizes or more on a small budget and fit them with `fairseq-budget analyse isoflop`."
        )


def _cautions(choice: Choice) -> Iterator[str]:
    if choice.confidence != "published":
        yield (
            f"Scaled from {human_flops(PUBLISHED_FLOPS)} to {human_flops(choice.flops)} by N_opt ~ C^{EXPONENT:g} (Hoffmann "
            f"et al. 2022, on text; {EXPONENT_LOW:g} to {EXPONENT_HIGH:g} in the interval), which is untested on speech"
        )
    if _factor(choice.flops) > FARTHEST:
        yield f"This is a guess: the budget is {_factor(choice.flops):,.0f} times away from the one that was measured"
    smallest, largest = _measured_sizes(choice.objective)
    if not smallest <= choice.params <= largest:
        yield f"No published curve reaches this size: they go from {_millions(smallest)} to {_millions(largest)}"
    if not 0.5 < choice.params / choice.optimum_params < 2:
        yield "No size of this plan lies within a factor of 2 of the optimum"


def parabola_minimum(x: Sequence[float], y: Sequence[float]) -> float:
    """The place of the minimum of the least-squares parabola through the points.

    Raises:
        BudgetError: fewer than three different places, or a parabola that opens downwards.
    """
    if len(set(x)) < 3:
        raise BudgetError(f"a parabola needs at least three different sizes, but there are {len(set(x))}")
    parabola = Polynomial.fit(x, y, 2)
    if parabola.coef[2] <= 0:
        raise BudgetError("the curve has no minimum: its parabola doesn't open upwards; add smaller or larger sizes")
    return float(parabola.deriv().roots()[0])


@cache
def published_optimum(objective: str, measure: str, left_out: int | None = None) -> float:
    """Parameters at the minimum of a published curve, with one of its points left out if told so."""
    rows = get_objective(objective).published_curve()
    kept = [row for index, row in enumerate(rows) if index != left_out]
    params = [math.log(_params(objective, _size(objective, row["percent_of_slim"]))) for row in kept]
    return math.exp(parabola_minimum(params, [float(row[measure]) for row in kept]))


def _size(objective: str, percent: object) -> Size:
    of = get_objective(objective)
    published_sizes = (size for size in SIZES.values() if not size.mini and size.name != OFF_CURVE)
    return next(size for size in published_sizes if of.percent(size) == percent)


def _measured_sizes(objective: str) -> tuple[int, int]:
    """Parameters of the smallest and of the largest size on an objective's curves."""
    rows = get_objective(objective).published_curve()
    params = [_params(objective, _size(objective, row["percent_of_slim"])) for row in rows]
    return min(params), max(params)


def _params(objective: str, size: Size) -> int:
    return count_parameters(shape_of(objective, size))


def _centre(objective: str) -> float:
    """The optimum of an objective in parameters, at the published budget."""
    return geometric_mean(published_optimum(objective, measure) for measure in MEASURES)


def published_interval(objective: str) -> tuple[float, float]:
    """Least and most parameters among the minima of all measures, each with any one of its points left out."""
    points = range(len(get_objective(objective).published_curve()))
    minima = [published_optimum(objective, measure, index) for measure in MEASURES for index in points]
    return min(minima), max(minima)


def choose(objective: str, runs: Sequence[PlannedRun], frontend: str = DEFAULT) -> Choice | NoChoice:
    """The planned run whose size is nearest to the optimum at the FLOPs that it spends, if curves of the objective exist.

    They were measured on convolutions: for another front end nothing is chosen.

    On a budget in FLOPs all runs spend the same.  In another currency a larger model spends more FLOPs; the chosen size is
    then the one for which this amount is neither too much nor too little.
    """
    if frontend != DEFAULT or not get_objective(objective).published_curve():
        return NoChoice(objective, frontend)
    centre = _centre(objective)
    candidates = [run for run in runs if run.name != OFF_CURVE] or list(runs)
    best = min(candidates, key=lambda run: abs(math.log(run.params / (centre * _scale(run.flops)))))
    low, high = (round(params) for params in _scaled_interval(objective, best.flops))
    return Choice(
        objective=objective,
        name=best.name,
        params=best.params,
        optimum_params=round(centre * _scale(best.flops)),
        interval=(low, high),
        within_interval=[run.name for run in candidates if low <= run.params <= high],
        flops=best.flops,
        by_measure={measure: round(published_optimum(objective, measure) * _scale(best.flops)) for measure in MEASURES},
        confidence=_confidence(objective, best),
    )


def _scale(flops: float, exponent: float = EXPONENT) -> float:
    ratio = flops / PUBLISHED_FLOPS
    return ratio**exponent if _factor(flops) > SAME_BUDGET else 1.0


def _factor(flops: float) -> float:
    """How many times larger or smaller than the published budget."""
    return max(flops / PUBLISHED_FLOPS, PUBLISHED_FLOPS / flops)


def _scaled_interval(objective: str, flops: float) -> tuple[float, float]:
    low, high = published_interval(objective)
    scales = [_scale(flops, exponent) for exponent in (EXPONENT_LOW, EXPONENT_HIGH)]
    return low * min(scales), high * max(scales)


def _confidence(objective: str, run: PlannedRun) -> str:
    factor, (smallest, largest) = _factor(run.flops), _measured_sizes(objective)
    if not smallest <= run.params <= largest:
        return "guess"
    return "published" if factor <= SAME_BUDGET else "scaled" if factor <= FARTHEST else "guess"


def _millions(params: float) -> str:
    return f"{params / 1e6:.3g} M"
