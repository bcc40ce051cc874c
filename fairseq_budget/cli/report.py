"""``fairseq-budget report``: a study's records as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    out: Annotated[Path, typer.Argument(help="Folder of the study; runs below it are found at any depth.")],
    to: Annotated[Path | None, typer.Option(help="Folder to write the page to; OUT/report if not given.")] = None,
    column_width: Annotated[
        float | None, typer.Option(help="Inches of a paper's column, such as 3.25: figures that wide, PDF and SVG, too.")
    ] = None,
) -> None:
    """Tables and plots of every run under OUT as one HTML page that needs no network, the paper's figures beside ours.

    Every picture is beside the page as PNG and SVG.

    Example: fairseq-budget report demo --column-width 3.25
    """
    from fairseq_budget.report.page import write_report  # matplotlib and pandas take a second to import

    typer.echo(f"report: {write_report(out, to, column_width)}")
