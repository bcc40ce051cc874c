"""What an iso-FLOP analysis makes of a study's own runs, where they suffice for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.planning.isoflop.analysis import Analysis, analyse
from fairseq_budget.planning.isoflop.points import FEWEST_SIZES, read_points
from fairseq_budget.records.names import objective_name
from fairseq_budget.report.column import file_name
from fairseq_budget.report.curves import Curve, curves
from fairseq_budget.report.isoflop_plot import isoflop_figure
from fairseq_budget.report.pictures import Picture, embed
from fairseq_budget.report.study import StudyRuns

RESAMPLES = 200
"""Of each parabola: enough for 95% intervals on a page; `analyse isoflop` makes 1,000."""


@dataclass(frozen=True)
class Fitted:
    """A picture for each set of curves that could be fitted, and sentences on them and on those that couldn't."""

    pictures: tuple[Picture, ...]
    sentences: tuple[str, ...]


def fitted(study: StudyRuns, folder: Path) -> Fitted:
    """Curves of three sizes or more, by objective, front end and amount of data."""
    pictures: list[Picture] = []
    sentences: list[str] = []
    for objective in study.objectives:
        for frontend, own in _alike(curves(study.of_objective(objective))):
            name = objective_name(objective) + ("" if frontend == DEFAULT else f", {frontend}")
            try:
                analysis = analyse(read_points([run.folder for curve in own for run in curve.runs]), resamples=RESAMPLES)
            except BudgetError as error:
                sentences.append(f"{name}: no optimum can be fitted: {error}.")
                continue
            path = folder / f"isoflop-{file_name(name)}-{len(pictures)}.png"
            shows = f"Losses of {name} against size, fits and their optima with intervals"
            pictures.append(embed(isoflop_figure(analysis), path, shows))
            sentences += [f"{name}: {text}" for text in _told(analysis)]
    return Fitted(tuple(pictures), tuple(sentences))


def _alike(found: list[Curve]) -> Iterator[tuple[str, list[Curve]]]:
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in found:
        if len(curve.points) >= FEWEST_SIZES:
            groups.setdefault((curve.frontend, numbers.hours(curve.runs[0].data_hours)), []).append(curve)
    for (frontend, _), own in groups.items():
        yield frontend, own


def _told(analysis: Analysis) -> Iterator[str]:
    for fit in analysis.budgets:
        ends = fit.parabola.interval
        bounds = f" (95%: {numbers.params(ends[0])} to {numbers.params(ends[1])})" if ends else " (not bounded by the runs)"
        yield f"at {human_flops(fit.flops)} a parabola's optimum is {numbers.params(fit.parabola.params)}{bounds}."
    law = analysis.power_law_parabola
    if law is not None:
        bounds = f" (95%: {law.interval[0]:.2f} to {law.interval[1]:.2f})" if law.interval else ""
        yield f"the optimum grows as FLOPs to the power {law.exponent:.2f}{bounds}."
    yield from analysis.cautions
