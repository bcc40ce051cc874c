"""``fairseq-budget objectives``: what can be pre-trained."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.frontends import FRONTENDS
from fairseq_budget.objectives import OBJECTIVES, Objective


def objective_names() -> str:
    """The help text of an option that takes an objective."""
    first, last = list(OBJECTIVES)[:-1], list(OBJECTIVES)[-1]
    return f"{', '.join(first)} or {last}."


def frontend_names() -> str:
    """The help text of an option that takes a front end."""
    return f"What turns audio into frames: {' or '.join(FRONTENDS)}."


def objectives(
    labels: Annotated[bool, typer.Option("--labels", help="Only those that need labels.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Print names and nothing else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """What can be pre-trained, and what each objective needs.  Example: fairseq-budget objectives --labels --names"""
    chosen = [objective for objective in OBJECTIVES.values() if objective.needs_labels or not labels]
    rows = [_row(objective) for objective in chosen]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif names:
        print(" ".join(objective.name for objective in chosen))
    else:
        table = plain_table("name", "objective", "loss in", "needs labels", "has published sizes", left=5)
        for row in rows:
            table.add_row(*(_text(value) for value in row.values()))
        output().print(table)


def _row(objective: Objective) -> dict[str, str | bool]:
    return {
        "name": objective.name,
        "title": objective.title,
        "loss_unit": objective.loss_unit,
        "needs_labels": objective.needs_labels,
        "published_sizes": bool(objective.published_curve()),
    }


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"
