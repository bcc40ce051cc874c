"""Figures as wide as a column of a paper, PDF for LaTeX and SVG for editing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from fairseq_budget.errors import ConfigError
from fairseq_budget.report import plots, size_plot
from fairseq_budget.report.pictures import save
from fairseq_budget.report.study import StudyRuns

NARROWEST, WIDEST = 2.0, 12.0
"""Inches."""


def write_columns(study: StudyRuns, folder: Path, inches: float) -> list[Path]:
    """Write loss against size and against FLOPs, a file for each panel, in letters of seven points or more.

    Raises:
        ConfigError: a column that no letters fit into, or wider than a page.
    """
    if not NARROWEST <= inches <= WIDEST:
        raise ConfigError(f"`--column-width` must be from {NARROWEST:g} to {WIDEST:g} inches, but is {inches:g}")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in _figures(study, inches):
        for ending in (".pdf", ".svg"):
            written.append(folder / f"{name}{ending}")
            save(figure, written[-1])
    return written


def _figures(study: StudyRuns, inches: float) -> Iterator[tuple[str, Figure]]:
    for objective in study.objectives:
        figure = size_plot.loss_against_size(objective, study.of_objective(objective), inches)
        yield f"loss-against-size-{file_name(objective)}", figure
    for panel in plots.curve_panels(study.pretrain):
        yield f"loss-against-flops-{file_name(panel.title)}", plots.loss_against_flops(panel, inches)


def file_name(text: str) -> str:
    """The text with a hyphen for whatever isn't a letter or a digit."""
    return re.sub(r"[^0-9A-Za-z]+", "-", text).strip("-").lower()
