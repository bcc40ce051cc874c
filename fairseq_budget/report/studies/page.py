"""The files of a study's report: a page, its table for people and for programs, its figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from fairseq_budget import __version__
from fairseq_budget.errors import BudgetError
from fairseq_budget.report.pictures import Picture, embed
from fairseq_budget.report.studies import findings
from fairseq_budget.report.studies.figure import metric_figure
from fairseq_budget.report.studies.frontier import frontier_figure
from fairseq_budget.report.studies.memory import memory_figure, memory_traces
from fairseq_budget.report.studies.points import PERCENT, Found, column, read_points
from fairseq_budget.report.studies.table import own_table, plain, published_table
from fairseq_budget.report.superb.formats import latex_escaped
from fairseq_budget.report.templating import render
from fairseq_budget.studies.place import Place
from fairseq_budget.studies.study import Study


def write_study_report(study: Study, scale: str, place: Place, seeds: int = 1) -> Path:
    """Write index.html, table.csv, table.tex, and a PNG and an SVG for each metric; older ones are replaced.

    Raises:
        BudgetError: no cell is done, a record is damaged, or the folder can't be written.
    """
    found = read_points(study.runs(scale, seeds), place)
    if not found.points:
        raise BudgetError(
            f"no cell of {study.name} is done in `{place.folder}`: `fairseq-budget study run {study.name} --scale {scale}`"
        )
    folder = place.report(study.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows = own_table(study, found)
        plain(study, found).to_csv(folder / "table.csv", index=False)
        (folder / "table.tex").write_text(latex(study, rows), encoding="utf-8")
        page = folder / "index.html"
        page.write_text(_render(study, scale, found, rows, place), encoding="utf-8")
    except OSError as error:
        raise BudgetError(f"`{folder}` can't be written ({error.strerror}): choose another folder with --out") from error
    return page


def latex(study: Study, rows: pd.DataFrame) -> str:
    """A tabular for the package booktabs."""
    escaped = rows.map(latex_escaped).rename(columns=latex_escaped)
    body = escaped.to_latex(index=False, escape=False, column_format="l" + "r" * (len(rows.columns) - 1))
    signs = {"↓": r"$\downarrow$", "↑": r"$\uparrow$", "±": r"$\pm$"}
    for sign, command in signs.items():
        body = body.replace(sign, command)
    return f"% {study.title}; {study.source}; needs \\usepackage{{booktabs}}\n{body}"


def _render(study: Study, scale: str, found: Found, rows: pd.DataFrame, place: Place) -> str:
    folder = place.report(study.name)
    return render(
        "study.html",
        version=__version__,
        study=study,
        scale=scale,
        differences=study.differences[scale],
        sentences=findings.sentences(study, found),
        remarks=found.remarks,
        pictures=[*_of_metrics(study, found, folder), *_over_time(study, scale, place, folder)],
        tables={"Numbers": rows, f"Published: {study.source}": published_table(study)},
    )


def _of_metrics(study: Study, found: Found, folder: Path) -> Iterator[Picture]:
    for key in found.columns(study):
        if found.having(key):
            yield from _pictures(study, found, key, folder)


def _over_time(study: Study, scale: str, place: Place, folder: Path) -> Iterator[Picture]:
    """The memory of downstream tasks, where a study has watched it."""
    if traces := memory_traces(study.cells(scale), place):
        shows = "Memory over time, from before the upstream is built, a panel for each task"
        yield embed(memory_figure(traces), folder / "memory.png", shows, "Memory over time")


def _pictures(study: Study, found: Found, key: str, folder: Path) -> Iterator[Picture]:
    """The metric along the study's axis; of a score also what it cost."""
    known = column(key)
    shows = f"{known.task} {known.metric} against {study.axis.title}, this study above, published below where there is any"
    yield embed(metric_figure(study, found, key), folder / f"{key.lower()}.png", shows, known.title)
    if key in PERCENT:
        shows = f"{known.task} {known.metric} against FLOPs in all, and the best that any amount bought"
        figure = frontier_figure(found, key)
        yield embed(figure, folder / f"{key.lower()}_by_flops.png", shows, f"{known.title} by what it cost in all")
