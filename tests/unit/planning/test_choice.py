"""The size to choose is the paper's where the paper measured, and comes with a caution elsewhere."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget import published
from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.plan import Setting, plan_run
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.objectives import OBJECTIVES, STUDIED, get_objective, shape_of
from fairseq_budget.planning.choice import (
    MEASURES,
    Choice,
    choose,
    parabola_minimum,
    published_interval,
    published_optimum,
)


def chosen(objective: str = "hubert", names: tuple[str, ...] = tuple(SIZES), **amounts: float) -> Choice:
    budget = Budget(amounts or {"flops": 1.33e18})
    return choose(objective, [plan_run(n, shape_of(objective, SIZES[n]), budget, Setting()) for n in names])


def slim(objective: str) -> int:
    return count_parameters(shape_of(objective, SIZES["slim"]))


@given(
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 2)), min_size=3, max_size=9, unique=True),
    st.floats(-3, 3),
    st.floats(0.5, 3),
)
def test_a_parabola_gives_back_its_minimum(places: list[float], minimum: float, curvature: float) -> None:
    if max(places) - min(places) > 1:
        values = [curvature * (x - minimum) ** 2 + 7 for x in places]
        assert parabola_minimum(places, values) == pytest.approx(minimum, abs=1e-4)


def test_a_parabola_through_noise_is_numpys() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(15, 20, 7)
    y = (x - 17) ** 2 + rng.normal(0, 0.3, 7)
    square, slope, _ = np.polyfit(x, y, 2)
    assert parabola_minimum(x.tolist(), y.tolist()) == pytest.approx(-slope / (2 * square))


def test_curves_without_a_minimum_are_refused() -> None:
    with pytest.raises(BudgetError, match="has no minimum"):
        parabola_minimum([1, 2, 3], [0, 1, 0])
    with pytest.raises(BudgetError, match="at least three different sizes, but there are 2"):
        parabola_minimum([1, 2, 2], [0, 1, 0])


def test_the_curve_has_seven_sizes_of_each_objective() -> None:
    for objective in STUDIED:
        rows = [row for row in published.u_curve() if row["objective"] == objective]
        sizes = [get_objective(objective).percent(size) for name, size in SIZES.items() if name != "small" and not size.mini]
        assert [row["percent_of_slim"] for row in rows] == sizes


@pytest.mark.parametrize("objective", STUDIED)
def test_the_papers_finding_comes_out(objective: str) -> None:
    """About 200% of Slim is best at 1.33e18, whatever the objective."""
    choice = chosen(objective)
    assert choice.name == "200"
    assert choice.confidence == "published"
    assert choice.optimum_params / slim(objective) == pytest.approx(2, rel=0.2)
    low, high = choice.interval
    assert low < 2 * slim(objective) < high
    assert "200" in choice.within_interval
    assert "base" not in choice.within_interval


@pytest.mark.parametrize(
    ("objective", "shares"), [("hubert", (2.06, 2.12, 1.74)), ("wav2vec2", (1.38, 1.68, 2.04)), ("tera", (1.67, 1.97, 2.08))]
)
def test_optimum_of_every_curve(objective: str, shares: tuple[float, ...]) -> None:
    """Relative to Slim, by validation loss, ASR and ASV; computed once with numpy's polyfit."""
    optima = [published_optimum(objective, measure) / slim(objective) for measure in MEASURES]
    assert optima == pytest.approx(shares, abs=0.01)
    low, high = published_interval(objective)
    assert low < min(optima) * slim(objective) <= max(optima) * slim(objective) < high


def test_other_budgets_scale_with_the_square_root_and_say_so() -> None:
    at_paper, larger = chosen(), chosen(flops=1.33e18 * 25)
    assert larger.optimum_params == pytest.approx(5 * at_paper.optimum_params, rel=1e-3)
    assert larger.confidence == "scaled"
    assert "by N_opt ~ C^0.5 (Hoffmann et al. 2022, on text" in larger.explanation
    assert "Scaled" not in at_paper.explanation
    width = [math.log(choice.interval[1] / choice.interval[0]) for choice in (at_paper, larger)]
    assert width[1] > width[0], "an assumption adds to what is unsure"


@pytest.mark.parametrize("flops", [1.33e18 / 200, 1.33e18 * 200])
def test_beyond_a_factor_of_100_it_is_called_a_guess(flops: float) -> None:
    choice = chosen(flops=flops)
    assert choice.confidence == "guess"
    assert "This is a guess: the budget is 200 times away" in choice.explanation


def test_no_published_curve_reaches_a_mini_size() -> None:
    mini = chosen(names=("0.05", "5"))
    assert (mini.name, mini.confidence) == ("5", "guess")
    assert "No published curve reaches this size: they go from 5.86 M to 317 M" in mini.explanation
    assert "reaches this size" not in chosen(names=("30", "large")).explanation


def test_a_plan_without_a_suitable_size_says_so() -> None:
    choice = chosen(names=("base", "large"))
    assert choice.name == "base"
    assert choice.within_interval == []
    assert "No size of this plan lies within a factor of 2 of the optimum" in choice.explanation
    assert "factor of 2" not in chosen().explanation


def test_small_is_chosen_only_where_there_is_nothing_else() -> None:
    """It has more parameters than Slim and loses to it at equal budget (Liu et al. 2024, table 2)."""
    assert chosen("wav2vec2", names=("slim", "small")).name == "slim"
    assert chosen("wav2vec2", names=("small",)).name == "small"


def test_a_budget_in_hours_is_judged_by_the_flops_each_size_spends() -> None:
    """What slim hears for 1.33e18 FLOPs costs size 200 a third more, whose optimum is larger in turn, but not by a step."""
    choice = chosen(hours_heard=17_300)
    assert choice.name == "200"
    assert choice.flops > 1.33e18
    assert choice.confidence == "scaled"


def test_unknown_objective() -> None:
    with pytest.raises(ConfigError, match="unknown objective `bert`"):
        choose("bert", [])


def test_published_curves_are_of_convolutions() -> None:
    choice = choose("hubert", [], "mel")
    assert (choice.name, choice.frontend, choice.confidence) == (None, "mel", "none")
    assert choice.explanation.startswith("No size is chosen: for HuBERT from log-mel frames nobody has published losses")


def test_without_published_curves_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest sentence with what is known of the others, instead of an error or a guess."""
    monkeypatch.setitem(OBJECTIVES, "own", replace(OBJECTIVES["tera"], name="own", title="Own"))
    choice = choose("own", [])
    assert (choice.name, choice.confidence) == (None, "none")
    assert choice.explanation.startswith("No size is chosen: for Own nobody has published losses or scores against sizes.")
    optima = [published_optimum(other, measure) / slim(other) for other in STUDIED for measure in MEASURES]
    low, high = (float(number) for number in re.search(r"lie at (\d+) to (\d+)% of Slim", choice.explanation).groups())
    assert 100 * min(optima) < low <= high < 100 * max(optima)
