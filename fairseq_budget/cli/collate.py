"""``fairseq-budget collate``: SUPERB's results as the papers print them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fairseq_budget.cli.lists import names_in
from fairseq_budget.records.results import read_results


def collate(
    folders: Annotated[list[Path], typer.Argument(help="Folders with results of downstream runs, at any depth.")],
    out: Annotated[
        list[Path] | None, typer.Option(help="File to write, .tex, .csv, .md or .html; may be given several times.")
    ] = None,
    published: Annotated[str, typer.Option(help="Papers' rows beside: table2, batchsize, seqlen, or none.")] = "table2",
    references: Annotated[
        Path | None, typer.Option(help="CSV of the rows that score 0 and 1000 (default: those of SUPERB's leaderboard).")
    ] = None,
) -> None:
    """One row an upstream, one column a metric, in the layout of table 2 of the paper, with SUPERB's aggregate score.

    Missing cells stay empty; the score is over the tasks that are there, which stand below the table.  Its default
    references are those of SUPERB's leaderboard: FBANK, and the best upstream of SUPERB's first paper on each task.

    Example: fairseq-budget collate superb --references my-rows.csv
    """
    from fairseq_budget.report.superb import formats, score, table  # pandas takes a second to import

    for path in out or ():
        formats.check_path(path)
    papers = [] if published == "none" else names_in(published)
    made = table.collate(read_results(folders), papers, score.read_scale(references))
    for path in out or ():
        formats.write(made, path)
        typer.echo(f"table: {path}")
    if not out:
        typer.echo(formats.markdown(made), nl=False)
