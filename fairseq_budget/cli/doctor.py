"""``fairseq-budget doctor``: what this installation and this machine lack."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from fairseq_budget.diagnostics.doctor.check import NOTE, OK, PROBLEM, Check

_COLOURS = {OK: "green", NOTE: "yellow", PROBLEM: "red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False) -> None:
    """Look at Python, packages, fairseq, s3prl, GPU, memory, disk and corpora; a line for each, with what to do.

    A note is about something that not everybody needs.  Exit status 1 if there is a problem, 0 if not.

    Example: fairseq-budget doctor --json
    """
    from fairseq_budget.diagnostics.doctor.examine import examine

    with Console(stderr=True).status("importing torch, fairseq and s3prl"):
        checks = examine(Path.cwd())
    problems = sum(check.state == PROBLEM for check in checks)
    if as_json:
        print(json.dumps({"problems": problems, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        _print(checks)
    raise typer.Exit(int(problems > 0))


def _print(checks: list[Check]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(check.subject) for check in checks)
    for check in checks:
        told = f"{check.found}: {check.remedy}" if check.remedy else check.found
        console.print(f"[{_COLOURS[check.state]}]{check.state:<7}[/] {check.subject:<{width}}  {escape(told)}")
    counts = {state: sum(check.state == state for check in checks) for state in (PROBLEM, NOTE)}
    console.print(", ".join(f"{count} {state}{'s' * (count != 1)}" for state, count in counts.items()))
