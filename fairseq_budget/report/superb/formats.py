"""The table as Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from markupsafe import Markup
from tabulate import tabulate

from fairseq_budget import __version__
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.files import atomic
from fairseq_budget.published.columns import COLUMNS
from fairseq_budget.records.results import INCOMPLETE, MINIATURE, PADDED
from fairseq_budget.report.superb.score import AggregateScore
from fairseq_budget.report.superb.table import ScoreRow, SuperbTable
from fairseq_budget.report.templating import render, templates

_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {mark: f"\\{mark}" for mark in "&%$#_{}"}


def score_text(score: AggregateScore | None) -> str:
    """``853.6 (9)``: the score and the number of tasks that it is over."""
    return "" if score is None else f"{score.value:.1f} ({len(score.tasks)})"


def markdown(table: SuperbTable) -> str:
    """A table whose groups are rows of one cell, and a list of remarks.  The score stands first, where it is in view."""
    headings = ["upstream", "SUPERB score ↑", *(column.title for column in table.columns)]
    rows: list[list[str]] = []
    for group, members in table.groups:
        rows.append([f"*{_escaped(group)}*", *[""] * (len(headings) - 1)])
        rows += [[_escaped(row.name), *_score_first(_cells(table, row, "**{}**"))] for row in members]
    sides = ["left", *["right"] * (len(headings) - 1)]
    lines = tabulate(rows, headings, "pipe", disable_numparse=True, colalign=sides)
    return "\n".join([lines, "", *(f"- {_escaped(remark)}" for remark in table.remarks), ""])


def comma_separated(table: SuperbTable) -> str:
    """All columns by their keys, numbers as they were recorded, nothing where there is none; the remarks aren't in it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["group", "upstream", *COLUMNS, "superb_score", "superb_score_tasks", "checkpoint", "incomplete"])
    for row in table.rows:
        score = [row.score.value, " ".join(row.score.tasks)] if row.score else ["", ""]
        numbers = [row.values.get(key, "") for key in COLUMNS]
        partial = " ".join(key for key in COLUMNS if key in row.incomplete)
        names = [_no_formula(text) for text in (row.group, row.name, row.checkpoint or "", partial)]
        writer.writerow([*names[:2], *numbers, *score, *names[2:]])
    return out.getvalue()


def latex(table: SuperbTable) -> str:
    """A ``table*`` for the package booktabs, tasks over their metrics, remarks below."""
    environment = templates(
        autoescape=False,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
    )
    environment.filters["latex"] = latex_escaped
    return environment.get_template("superb.tex").render(
        table=table,
        tasks=[(task, len(list(columns))) for task, columns in groupby(table.columns, key=lambda column: column.task)],
        arrow=lambda column: r"$\uparrow$" if column.higher_is_better else r"$\downarrow$",
        cells=lambda row: [cell.replace(" ±", r" $\pm$ ") for cell in _cells(table, row, r"\textbf{{{}}}")],
    )


def html(table: SuperbTable) -> str:
    """A page that needs no other file."""
    strong = Markup("<strong>{}</strong>")

    def cells(row: ScoreRow) -> list[str]:
        return _score_first(_cells(table, row, strong))

    return render("superb.html", table=table, cells=cells, version=__version__)


def _score_first(cells: list[str]) -> list[str]:
    return [cells[-1], *cells[:-1]]


FORMATS: dict[str, Callable[[SuperbTable], str]] = {
    ".md": markdown,
    ".csv": comma_separated,
    ".tex": latex,
    ".html": html,
}
"""By the ending of a file's name."""


def check_path(path: Path) -> Path:
    """The path itself; ConfigError if its name has another ending than the formats'."""
    if path.suffix not in FORMATS:
        raise ConfigError(f"`--out {path}` must end in {', '.join(FORMATS)}, which tells the format")
    return path


def write(table: SuperbTable, path: Path) -> None:
    """Write a file in the format that its name ends in, all or nothing."""
    text = FORMATS[check_path(path).suffix](table)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BudgetError(f"`{path}` cannot be written ({error.strerror}): choose another place") from error


def latex_escaped(text: str) -> str:
    """Text in which LaTeX finds no command."""
    return "".join(_LATEX.get(mark, mark) for mark in text)


def _cells(table: SuperbTable, row: ScoreRow, bold: str) -> list[str]:
    """The numbers of a row, and its score, with marks that the remarks explain: of an incomplete corpus, padding, miniature.

    `bold`: a format of what is best.
    """
    marked = {INCOMPLETE: row.incomplete, PADDED: row.padded, MINIATURE: row.miniature}
    numbers = []
    for column in table.columns:
        number, error = column.text(row.values.get(column.key)), row.error(column.key)
        text = bold.format(number) if table.is_best(row, column) else number
        text += "".join(mark for mark, keys in marked.items() if column.key in keys)
        numbers.append(text if error is None else text + f" ±{error:.1f}")
    over = "".join(mark for mark, keys in marked.items() if row.score and keys)
    return [*numbers, score_text(row.score) + over]


def _escaped(text: str) -> str:
    """Text in which Markdown finds no cell, tag or link."""
    return _printable(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("[", "\\[")


def _printable(text: str) -> str:
    """Text in which a terminal finds no command."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def _no_formula(text: str) -> str:
    """Text that a spreadsheet shows instead of running it: an apostrophe before what begins as a formula does."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
