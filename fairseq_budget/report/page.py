"""The page: one HTML file that needs no other file and no network."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fairseq_budget import __version__, published
from fairseq_budget.errors import BudgetError
from fairseq_budget.report import findings, plots, size_plot, tables
from fairseq_budget.report.study import StudyRuns, read_study
from fairseq_budget.report.templating import templates


@dataclass(frozen=True)
class Picture:
    """A PNG that is embedded: its bytes in base64, and what it shows for those who cannot see it."""

    data: str
    shows: str


@dataclass(frozen=True)
class TaskPart:
    """What the page says about one downstream task."""

    name: str
    picture: Picture
    results: pd.DataFrame
    published: pd.DataFrame | None


def write_report(out: Path, to: Path | None = None) -> Path:
    """Write the page of the study under `out`, and its pictures beside it; an older page is replaced.

    Args:
        out: folder of the study, with ``pretrain/*/record.json`` and ``downstream/*/*/record.json``.
        to: folder of the page; ``out/report`` if None.

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
    return page


def _render(study: StudyRuns, folder: Path) -> str:
    template = templates(autoescape=True).get_template("page.html")
    return template.render(
        version=__version__,
        summary=findings.what_was_run(study),
        caution=findings.caution(study),
        best_sizes=[text for name in study.objectives for text in findings.best_sizes(name, study.of_objective(name))],
        best_downstream=[findings.best_downstream(task, study.of_task(task)) for task in study.tasks],
        missing=study.missing,
        curves=_curves(study, folder),
        sizes=_sizes(study, folder),
        losses=tables.losses(study.pretrain),
        tasks=[_task_part(study, task, folder) for task in study.tasks],
        costs=tables.costs(study.pretrain),
        forecasts=tables.forecasts(study.pretrain),
        origins=tables.origins(study),
        commands=[(name, origin.command or "not recorded") for name, origin in tables.origins_by_run(study)],
        paper=published.PAPER,
        paper_steps=f"{published.DOWNSTREAM_STEPS:,}",
    )


def _curves(study: StudyRuns, folder: Path) -> Picture | None:
    if all(run.history is None for run in study.pretrain):
        return None
    shows = "Training and validation loss against FLOPs spent, one panel an objective, one curve a size"
    return _embed(plots.loss_against_flops(study), folder / "loss-against-flops.png", shows)


def _sizes(study: StudyRuns, folder: Path) -> Picture | None:
    if not study.pretrain:
        return None
    shows = "Validation loss against model size at equal budget, with the published curves below"
    return _embed(size_plot.loss_against_size(study), folder / "loss-against-size.png", shows)


def _task_part(study: StudyRuns, task: str, folder: Path) -> TaskPart:
    runs = study.of_task(task)
    path = folder / f"downstream-{re.sub(r'[^0-9A-Za-z]+', '-', task)}.png"
    shows = f"Test scores of every upstream on {task.upper()}; the table has the numbers"
    picture = _embed(plots.downstream_scores(runs), path, shows)
    return TaskPart(task.upper(), picture, tables.downstream(runs), tables.published_scores(task))


def _embed(figure: Figure, path: Path, shows: str) -> Picture:
    plots.save(figure, path)
    return Picture(base64.b64encode(path.read_bytes()).decode("ascii"), shows)
