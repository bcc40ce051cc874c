"""Every `--help`: what was written for an option is what is printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from fairseq_budget.cli import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[Any]:
    yield pytest.param(command, path, id=" ".join(("fairseq-budget", *path)))
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


@pytest.mark.parametrize(("command", "path"), list(commands(get_command(app))))
def test_all_of_the_help_is_printed(command: Any, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """rich takes square brackets for markup and leaves them out."""
    monkeypatch.setenv("COLUMNS", "250")
    printed = CliRunner().invoke(app, [*path, "--help"])
    assert printed.exit_code == 0
    texts = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
    lost = [text for text in texts if text and squeezed(text) not in squeezed(printed.stdout)]
    assert not lost
    assert CliRunner().invoke(app, [*path, "-h"]).stdout == printed.stdout


def squeezed(text: str) -> str:
    """Without spaces, line breaks and the frames that rich draws."""
    return re.sub(r"[\s│]+", "", text)
