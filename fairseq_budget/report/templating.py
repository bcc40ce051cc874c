"""How the report's templates are read."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates(*, autoescape: bool, **syntax: Any) -> Environment:
    """The templates beside this module: an unknown name is an error, and a block leaves no empty line behind.

    `syntax` are jinja2's options, for files whose own marks are in the way.
    """
    return Environment(
        loader=PackageLoader("fairseq_budget.report"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **syntax,
    )
