"""``fairseq-budget analyse``: what finished runs say, and how the batches of a corpus are filled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.cli import packing
from fairseq_budget.cli.gradient_deviation import gradient_deviation
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends import FRONTENDS, get_frontend
from fairseq_budget.objectives import get_objective

if TYPE_CHECKING:
    from fairseq_budget.planning.isoflop.analysis import Analysis, BudgetFit, Optimum, PowerLaw

app = typer.Typer(help="Analyse finished runs, and batches.", no_args_is_help=True)
app.command("packing")(packing.packing)
app.command("gradient-deviation")(gradient_deviation)


@app.callback()
def analyse() -> None:
    """Analyse finished runs, and batches."""


@app.command()
def isoflop(
    runs: Annotated[list[Path], typer.Argument(help="Folders that hold runs (*/record.json), or CSV files.")],
    objective: Annotated[str | None, typer.Option(help="The one to analyse, where there are several.")] = None,
    frontend: Annotated[str | None, typer.Option(help=f"The same of front ends: {' or '.join(FRONTENDS)}.")] = None,
    measure: Annotated[
        str, typer.Option(help="What to minimise: a metric of the records (valid_loss, train_loss), or a column of the CSV.")
    ] = "valid_loss",
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples of each parabola.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    out: Annotated[Path, typer.Option(help="The picture, a PNG file.")] = Path("isoflop.png"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """The optimal size for each budget, from runs at several sizes: by parabolas and by a parametric fit, with intervals.

    A CSV has the columns objective, budget_flops (spent), params, one for each measure (less is better: valid_loss,
    asr_wer, ...) and, if known, hours_heard and frontend.  Runs whose spent FLOPs are within 3% share a budget.

    Example: fairseq-budget analyse isoflop study/pretrain --objective hubert --out isoflop.png
    """
    # scipy and matplotlib take a second to import; other commands must not wait for them
    from fairseq_budget.planning.isoflop.analysis import analyse
    from fairseq_budget.planning.isoflop.points import read_points
    from fairseq_budget.report.isoflop_plot import isoflop_figure
    from fairseq_budget.report.pictures import save

    if out.suffix != ".png":
        raise ConfigError(f"`--out` must be a PNG file, but is `{out}`")
    points = read_points(
        runs, measure, objective and get_objective(objective).name, frontend and get_frontend(frontend).name
    )
    analysis = analyse(points, measure, resamples, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(isoflop_figure(analysis), out)
    if as_json:
        print(json.dumps({**analysis.as_dict(), "picture": str(out)}, indent=2, allow_nan=False))
    else:
        _print(analysis, out)


def _print(analysis: Analysis, picture: Path) -> None:
    console = output()
    table = plain_table("budget", "fit", "sizes", "optimum", "% of Slim", "95% interval", "gap", left=2)
    for fit in analysis.budgets:
        for row in _rows(fit):
            table.add_row(*row)
    console.print(table)
    for sentence in _sentences(analysis):
        console.print(sentence, highlight=False, soft_wrap=not console.is_terminal)
    for caution in analysis.cautions:
        console.print(f"[yellow]warning:[/yellow] {escape(caution)}", highlight=False, soft_wrap=not console.is_terminal)
    console.print(f"picture: {escape(str(picture))}", highlight=False, soft_wrap=True)


def _rows(fit: BudgetFit) -> Iterator[tuple[str, ...]]:
    yield human_flops(fit.flops), "parabola", str(fit.sizes), *_cells(fit.parabola), ""
    if fit.parametric is not None and fit.gap_percent is not None:
        yield "", "parametric", "", *_cells(fit.parametric), f"{fit.gap_percent:+.1f}%"


def _cells(optimum: Optimum) -> Iterator[str]:
    yield numbers.params(optimum.params)
    yield numbers.NOTHING if optimum.percent_of_slim is None else f"{numbers.of_slim(optimum.percent_of_slim)}%"
    ends = optimum.interval and [numbers.params(end) for end in optimum.interval]
    yield f"{ends[0].removesuffix(' M')} to {ends[1]}" if ends else numbers.NOTHING


def _sentences(analysis: Analysis) -> Iterator[str]:
    for name, law in (("parabolas", analysis.power_law_parabola), ("parametric fit", analysis.power_law_parametric)):
        if law is not None:
            yield f"Optimal size by {name}: {_law(law)}."
    if analysis.coefficients:
        surface = {name: f"{value:.3g}" for name, value in analysis.coefficients.items()}
        yield f"Surface E + A / N^alpha + B / D^beta: {', '.join(f'{name} = {value}' for name, value in surface.items())}."
    counts = analysis.as_dict()["bootstrap"]
    yield (
        f"{analysis.measure} of {analysis.objective}; intervals: percentiles of {analysis.resamples} resamples of the "
        f"residuals (parametric: {counts['parametric_resamples']}), seed {analysis.seed}."  # type: ignore[index]
    )


def _law(law: PowerLaw) -> str:
    bounds = f" (exponent {law.interval[0]:.3f} to {law.interval[1]:.3f})" if law.interval else ""
    return f"{law.coefficient:.3g} * FLOPs^{law.exponent:.3f}{bounds}"
