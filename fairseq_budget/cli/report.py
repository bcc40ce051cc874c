"""``fairseq-budget report``: a study's records as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    out: Annotated[Path, typer.Argument(help="Folder of the study; runs below it are found at any depth.")],
    to: Annotated[Path | None, typer.Option(help="Folder to write the page to; OUT/report if not given.")] = None,
) -> None:
    """Tables and plots of every run under OUT as one HTML page that needs no network, the paper's figures beside ours.

    Example: fairseq-budget report demo
    """
    from fairseq_budget.report.page import write_report  # matplotlib and pandas take a second to import

    typer.echo(f"report: {write_report(out, to)}")
