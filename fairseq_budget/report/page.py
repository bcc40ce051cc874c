"""The page: one HTML file that needs no other file and no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fairseq_budget import __version__, published
from fairseq_budget.errors import BudgetError
from fairseq_budget.records.names import objective_name
from fairseq_budget.report import findings, plots, size_plot, tables
from fairseq_budget.report.column import file_name, write_columns
from fairseq_budget.report.fitted import fitted
from fairseq_budget.report.pictures import Picture, embed
from fairseq_budget.report.seeds import scores, winning
from fairseq_budget.report.study import StudyRuns, read_study
from fairseq_budget.report.templating import render


@dataclass(frozen=True)
class TaskPart:
    """What the page says about one downstream task."""

    name: str
    picture: Picture
    results: pd.DataFrame
    best: list[int]
    """Rows of the upstream whose score is best by more than chance makes."""
    published: pd.DataFrame | None


def write_report(out: Path, to: Path | None = None, column_inches: float | None = None) -> Path:
    """Write the page of the study under `out`, and its pictures beside it; an older page is replaced.

    Args:
        out: folder of the study, with ``pretrain/*/record.json`` and ``downstream/*/*/record.json``.
        to: folder of the page; ``out/report`` if None.
        column_inches: of a paper's column; figures that wide, PDF and SVG, go to the folder ``column`` beside the page.

    Returns:
        The path of ``index.html``.

    Raises:
        BudgetError: there is no run, a record cannot be read, or the folder cannot be made.
    """
    study = read_study(out)
    folder = out / "report" if to is None else to
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BudgetError(f"{folder}: no page can be written there ({error.strerror}); choose a folder with --to") from error
    page = folder / "index.html"
    page.write_text(_render(study, folder), encoding="utf-8")
    if column_inches is not None:
        write_columns(study, folder / "column", column_inches)
    return page


def _render(study: StudyRuns, folder: Path) -> str:
    panels = plots.curve_panels(study.pretrain)
    return render(
        "page.html",
        version=__version__,
        summary=findings.what_was_run(study),
        caution=findings.caution(study),
        best_sizes=[text for name in study.objectives for text in findings.best_sizes(name, study.of_objective(name))],
        best_downstream=[findings.best_downstream(task, study.of_task(task)) for task in study.tasks],
        selection=findings.selection(study),
        missing=study.missing,
        curves=_curves(panels, folder),
        penalties=_penalties(panels, folder),
        sizes=[picture for objective in study.objectives for picture in _sizes(study, objective, folder)],
        isoflop=fitted(study, folder),
        losses=tables.losses(study.pretrain),
        tasks=[_task_part(study, task, folder) for task in study.tasks],
        first_looks=[tables.first_look(record) for record in study.first_looks],
        costs=tables.costs(study.pretrain),
        forecasts=tables.forecasts(study.pretrain),
        origins=tables.origins(study),
        commands=[(name, origin.command or "not recorded") for name, origin in tables.origins_by_run(study)],
        paper=published.PAPER,
        paper_steps=f"{published.DOWNSTREAM_STEPS:,}",
    )


def _curves(panels: Sequence[plots.CurvePanel], folder: Path) -> list[Picture]:
    shows = "Training and validation loss against FLOPs spent, one curve a size: {}"
    return [
        embed(plots.loss_against_flops(panel), folder / f"{name}.png", shows.format(panel.title))
        for name, panel in _named("loss-against-flops", panels)
    ]


def _penalties(panels: Sequence[plots.CurvePanel], folder: Path) -> list[Picture]:
    shows = "Penalties in the training loss against FLOPs spent: {}"
    drawn = [(name, panel, plots.penalties_against_flops(panel)) for name, panel in _named("penalties", panels)]
    return [embed(figure, folder / f"{name}.png", shows.format(panel.title)) for name, panel, figure in drawn if figure]


def _named(what: str, panels: Sequence[plots.CurvePanel]) -> list[tuple[str, plots.CurvePanel]]:
    """A file's name for each panel, which tells its objective and budget."""
    return [(f"{what}-{file_name(panel.title)}", panel) for panel in panels]


def _sizes(study: StudyRuns, objective: str, folder: Path) -> Iterator[Picture]:
    name = objective_name(objective)
    figure = size_plot.loss_against_size(objective, study.of_objective(objective))
    path = folder / f"loss-against-size-{file_name(objective)}.png"
    yield embed(figure, path, f"Validation loss of {name} against model size at equal budget")
    paper = size_plot.published_curve(objective)
    if paper is not None:
        yield embed(paper, path.with_stem(f"{path.stem}-published"), f"The published curve of {name}")


def _task_part(study: StudyRuns, task: str, folder: Path) -> TaskPart:
    runs = study.of_task(task)
    shows = f"Test scores of every upstream on {task.upper()}; the table has the numbers"
    picture = embed(plots.downstream_scores(runs), folder / f"downstream-{file_name(task)}.png", shows)
    winner = winning(scores([run for run in runs if run.scored]))
    best = [] if winner is None else [place for place, run in enumerate(runs) if run in winner.runs]
    return TaskPart(task.upper(), picture, tables.downstream(runs), best, tables.published_scores(task))
