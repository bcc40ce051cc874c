"""``fairseq-budget check-gpu``: what a machine's GPU makes of this project."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from fairseq_budget.cli.lists import names_in
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.files import atomic

if TYPE_CHECKING:
    from fairseq_budget.bench.gpu.parts import Checked

_MARKS = {True: "[green]good[/]", False: "[red]bad[/]", None: ""}


def check_gpu(
    parts: Annotated[str | None, typer.Option(help="Some of the parts, comma-separated (default: all).")] = None,
    device: Annotated[str | None, typer.Option(help="cuda, cuda:1 or cpu (default: a GPU, if there is any).")] = None,
    out: Annotated[Path | None, typer.Option(help="Write everything as JSON into this file, too.")] = None,
) -> None:
    """Check numbers, waits, memory, training, ranks and speed on a GPU; on a CPU the same in small.

    Numbers: losses and gradients of every objective in each precision beside the CPU's. Training: runs that a signal stops
    and that go on. Speed: beside stock fairseq and what else is installed. A part takes minutes on a GPU, and one that fails
    doesn't keep the others from running. Exit status 1 if something is bad, 0 if not.

    Example: fairseq-budget check-gpu --parts numbers,waits --out gpu.json
    """
    # fairseq takes seconds to import; other commands must not wait for it
    from fairseq_budget.bench.gpu.observation import Target
    from fairseq_budget.bench.gpu.parts import PARTS, check
    from fairseq_budget.planning.machine import device_name, open_device
    from fairseq_budget.records.provenance import versions

    target = Target(open_device(device))
    names = list(PARTS) if parts is None else names_in(parts)
    with Console(stderr=True).status("") as status:
        checked = list(check(names, target, lambda name: status.update(f"{name} on {target.device}")))
    _print(checked, device_name(target.device))
    if out is not None:
        told: dict[str, Any] = {"device": device_name(target.device), "versions": versions(("torch", "numpy"))}
        told |= {"parts": [asdict(part) for part in checked]}
        with atomic(out) as partial:
            partial.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(int(not all(part.good for part in checked)))


def _print(checked: list[Checked], device: str) -> None:
    table = plain_table("part", "what", "found", "wanted", "", left=5)
    table.title = device
    for part in checked:
        name = f"{part.part}, {part.seconds:.0f} s"
        for observation in part.observations:
            table.add_row(
                name, *map(escape, (observation.what, observation.found, observation.wanted)), _MARKS[observation.good]
            )
            name = ""
        if part.failure is not None:
            table.add_row(name, "", escape(part.failure), "", _MARKS[False])
    output().print(table)
