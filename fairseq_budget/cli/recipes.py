"""``fairseq-budget recipes``: where the recipes lie."""

from __future__ import annotations

import typer

from fairseq_budget.recipes import recipes_dir


def recipes() -> None:
    """Print the folder of the recipes, for --config-dir, wherever fairseq-budget is installed.

    Example: fairseq-hydra-train --config-dir $(fairseq-budget recipes) --config-name hubert
    """
    typer.echo(recipes_dir())
