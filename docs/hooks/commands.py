"""Adds the page of commands to the manual, from the commands' own help."""

from __future__ import annotations

from typing import Any

import typer
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from fairseq_budget.cli import app


def on_files(files: Files, config: Any) -> Files:
    """mkdocs calls this with the files that it found."""
    command = typer.main.get_command(app)
    with command.make_context("fairseq-budget", [], resilient_parsing=True) as context:
        text = get_docs_for_click(obj=command, ctx=context, name="fairseq-budget", title="Commands")
    files.append(File.generated(config, "commands.md", content=text))
    return files
