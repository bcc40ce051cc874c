"""The ``fairseq-budget`` command: one module per group of commands, imported here and nowhere else."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from fairseq_budget import __version__
from fairseq_budget.cli import (
    analyse,
    asr,
    bench,
    cache,
    check,
    check_gpu,
    collate,
    corpus,
    doctor,
    export,
    labels,
    manifest,
    objectives,
    plan,
    ranks,
    recipes,
    report,
    study,
    superb,
    watch,
)
from fairseq_budget.errors import BudgetError
from fairseq_budget.extras import EXTRAS, install

app = typer.Typer(
    name="fairseq-budget",
    help="Pre-train self-supervised speech models on a compute budget: everything around fairseq-hydra-train.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # commands take it over
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"fairseq-budget {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of the command itself; its help is the program's."""


app.add_typer(analyse.app, name="analyse")
app.add_typer(asr.app, name="asr")
app.add_typer(cache.app, name="cache")
app.command("check")(check.check)
app.command("check-gpu")(check_gpu.check_gpu)
app.add_typer(bench.app, name="bench")
app.command("collate")(collate.collate)
app.add_typer(corpus.app, name="corpus")
app.command("doctor")(doctor.doctor)
app.command("manifest")(manifest.manifest)
app.command("export")(export.export)
app.add_typer(labels.app, name="labels")
app.command("objectives")(objectives.objectives)
app.command("plan")(plan.plan)
app.command("ranks")(ranks.ranks)
app.command("recipes")(recipes.recipes)
app.command("report")(report.report)
app.add_typer(study.app, name="study")
app.command("superb")(superb.superb)
app.command("watch")(watch.watch)


def main() -> None:
    """Run the command line; an error meant for the user becomes one line and exit status 2."""
    try:
        app()
    except BudgetError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise
        _fail(f"this command needs the package {module}: {install(module)}")


def _fail(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(message)}", highlight=False)
    sys.exit(2)
