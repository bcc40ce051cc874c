"""How the report's templates are read."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class Script:
    """The one script that a page may run: its Content-Security-Policy names this text's hash and allows no other."""

    text: Markup

    @property
    def hash(self) -> str:
        """As the policy has it (https://www.w3.org/TR/CSP3/#grammardef-hash-source)."""
        digest = hashlib.sha256(self.text.encode()).digest()
        return f"sha256-{base64.b64encode(digest).decode('ascii')}"


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


def render(name: str, **values: Any) -> str:
    """A page that needs no other file and no network."""
    pages = templates(autoescape=True)
    source = pages.loader and pages.loader.get_source(pages, "sort.js")[0]
    return pages.get_template(name).render(script=Script(Markup(source)), **values)  # noqa: S704 (our own file)
