"""``fairseq-budget analyse isoflop`` on the paper's own figures, as a user and as a program call it."""

import csv
import json
import math
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fairseq_budget import published
from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.plan import Setting, plan_run
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.cli import app
from fairseq_budget.errors import BudgetError
from fairseq_budget.objectives import STUDIED, get_objective, shape_of
from fairseq_budget.planning.choice import MEASURES, OFF_CURVE, PUBLISHED_FLOPS, published_optimum
from fairseq_budget.planning.isoflop.parabola import fit_parabola
from fairseq_budget.planning.isoflop.points import read_points

PERCENT = {
    "hubert": {"valid_loss": 206, "asr_wer": 212, "asv_eer": 174},
    "wav2vec2": {"valid_loss": 138, "asr_wer": 168, "asv_eer": 204},
    "tera": {"valid_loss": 167, "asr_wer": 197, "asv_eer": 208},
}
"""Minima of parabolas through the published curves.  The paper's "about 200%" is the size of its grid that is nearest to
most of them; wav2vec 2.0's validation loss alone, which is lowest at 100%, says 138%."""

PARAMETRIC = [("hubert", "valid_loss", 204), ("wav2vec2", "asr_wer", 160), ("tera", "valid_loss", 178)]
"""Minima of the parametric fit for some of them."""


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Figure 2 of Liu et al. 2024 as a table; hours heard are the planner's for the published budget."""
    path = tmp_path_factory.mktemp("paper") / "fig2.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["objective", "budget_flops", "params", "hours_heard", *MEASURES])
        writer.writeheader()
        writer.writerows(row(published) for published in published.u_curve())
    return path


def row(published: dict[str, Any]) -> dict[str, Any]:
    objective, percent = published["objective"], published["percent_of_slim"]
    size = next(s for s in SIZES.values() if get_objective(objective).percent(s) == percent and s.name != OFF_CURVE)
    run = plan_run(size.name, shape_of(objective, size), Budget({"flops": PUBLISHED_FLOPS}), Setting())
    values = {measure: published[measure] for measure in MEASURES}
    known = {"objective": objective, "budget_flops": PUBLISHED_FLOPS, "params": run.params, "hours_heard": run.hours_heard}
    return {**known, **values}


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["analyse", "isoflop", *map(str, arguments)])


def analysed(paper: Path, objective: str, measure: str, *more: str) -> dict[str, Any]:
    picture = paper.with_name(f"{objective}-{measure}.png")
    result = call(
        paper, "--objective", objective, "--measure", measure, "--resamples", "100", "--out", picture, "--json", *more
    )
    assert result.exit_code == 0, result.exception
    assert picture.read_bytes().startswith(b"\x89PNG")
    return json.loads(result.output)


@pytest.mark.parametrize("objective", STUDIED)
def test_every_measure_of_the_papers_figures(paper: Path, objective: str) -> None:
    slim, optima = count_parameters(shape_of(objective, SIZES["slim"])), []
    for measure in MEASURES:
        fit = fit_parabola(read_points([paper], measure, objective), 100, 0)
        optima.append(100 * fit.optimum / slim)
        assert optima[-1] == pytest.approx(PERCENT[objective][measure], abs=1)
        assert fit.optimum == pytest.approx(published_optimum(objective, measure))
        assert fit.interval is not None and fit.interval[0] < fit.optimum < fit.interval[1]
    nearest = min((30, 50, 70, 100, 200, 470, 1580), key=lambda size: abs(math.log(size / geometric_mean(optima))))
    assert nearest == 200


@pytest.mark.parametrize(("objective", "measure", "percent"), PARAMETRIC)
def test_both_fits_of_the_papers_figures(paper: Path, objective: str, measure: str, percent: float) -> None:
    (fit,) = analysed(paper, objective, measure)["budgets"]
    assert fit["parabola"]["percent_of_slim"] == pytest.approx(PERCENT[objective][measure], abs=1)
    assert fit["parametric"]["percent_of_slim"] == pytest.approx(percent, abs=5)
    assert fit["gap_percent"] == pytest.approx(100 * (percent / PERCENT[objective][measure] - 1), abs=4)
    assert (fit["runs"], fit["sizes"]) == (7, 7)


def test_what_the_papers_figures_cannot_say_is_said(paper: Path) -> None:
    answer = analysed(paper, "wav2vec2", "valid_loss")
    assert answer["power_law"] == {"parabola": None, "parametric": None}
    assert answer["surface"] is None, "one budget doesn't determine it"
    assert answer["bootstrap"] == {"confidence": 0.95, "resamples": 100, "parametric_resamples": 20, "seed": 0}
    warnings = "\n".join(answer["warnings"])
    for text in ("wide grid: its sizes span a factor of 51", "one budget: no power law", "outside the parabola's interval"):
        assert text in warnings


def test_the_table_for_people(paper: Path) -> None:
    result = call(paper, "--objective", "hubert", "--resamples", "100", "--out", paper.with_name("new") / "hubert.png")
    assert result.exit_code == 0, result.exception
    for text in (
        "1.33 EFLOP",
        "parabola",
        "206%",
        "parametric",
        "warning: 1.33 EFLOP: wide grid",
        "100 resamples",
        "seed 0",
    ):
        assert text in result.output
    assert "…" not in result.output, "80 columns hold it"
    assert paper.with_name("new").joinpath("hubert.png").is_file()


def test_several_budgets_have_a_power_law(tmp_path: Path) -> None:
    rows = ["objective,budget_flops,params,valid_loss"]
    for flops in (1e17, 4e17):
        centre = 2e7 * (flops / 1e17) ** 0.5
        rows += [
            f"tera,{flops},{centre * f},{5 + 0.1 * math.log(f) ** 2 - 0.2 * (flops > 2e17)}" for f in (0.4, 0.7, 1, 1.5, 2.5)
        ]
    path = tmp_path / "two.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    result = call(path, "--resamples", "100", "--out", tmp_path / "two.png")
    assert result.exit_code == 0, result.exception
    assert "Optimal size by parabolas:" in result.output
    assert "FLOPs^0.500" in result.output
    assert "Surface E + A / N^alpha + B / D^beta" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "not comparable: `objective` is hubert in fig2.csv line 2, but wav2vec2 in fig2.csv line 9; choose one"),
        (["--objective", "bert"], "unknown objective `bert`: choose one of hubert, wav2vec2, tera"),
        (["--objective", "tera", "--measure", "acc"], "no column `acc`; it has objective, budget_flops"),
        (["--objective", "tera", "--resamples", "5"], "`resamples` must be at least 100"),
        (["--objective", "tera", "--out", "picture.pdf"], "`--out` must be a PNG file, but is `picture.pdf`"),
    ],
)
def test_bad_input_is_one_line(paper: Path, arguments: list[str], message: str) -> None:
    error = call(paper, *arguments).exception
    assert isinstance(error, BudgetError)
    assert message in str(error)
    assert "\n" not in str(error)
