"""What the commands of ``fairseq-budget bench`` share: reading options, telling what goes on, describing a workload."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.cli.lists import names_in
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends import DEFAULT

if TYPE_CHECKING:
    from fairseq_budget.bench.workload import Workload


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the hosts say while they are imported and used: standard output is for the answer alone."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def reporter() -> Callable[[str], None]:
    """A line on the terminal that says what is being measured; nothing where nobody looks."""
    console = Console(stderr=True)
    return lambda line: console.print(f"  {line}", style="dim", end="\r\n") if console.is_terminal else None


def description(workload: Workload) -> dict[str, Any]:
    """What was measured, and where, for a program."""
    from fairseq_budget.planning.machine import device_name

    values = {name: value for name, value in asdict(workload).items() if name not in ("precision", "device_name")}
    return {"device": device_name(workload.device), **values}


def workload_of(
    objective: str,
    size: str,
    precision: str,
    utterances: int,
    seconds: float,
    device: str | None,
    settings: list[str] | None = None,
    frontend: str = DEFAULT,
) -> Workload:
    """What is timed, of options as they are given; the device is checked, the rest isn't yet."""
    from fairseq_budget.bench.workload import Workload
    from fairseq_budget.planning.machine import open_device

    there = str(open_device(device))
    return Workload(
        objective, size, precision, utterances, samples_of(seconds), there, tuple(settings or ()), frontend=frontend
    )


def check_repeats(repeats: int) -> None:
    """Raises:
    ConfigError: nothing would be timed.
    """
    if repeats < 1:
        raise ConfigError(f"`--repeats` must be at least 1, but is {repeats}")


def check_has(implementation: str, objective: str, frontend: str) -> None:
    """Raises:
    ConfigError: that implementation has no such objective or front end.
    """
    from fairseq_budget.bench.implementations import implementation_class

    kind = implementation_class(implementation)
    for what, name, known in (("objective", objective, kind.objectives), ("front end", frontend, kind.frontends)):
        if name not in known:
            raise ConfigError(f"{implementation} has no {what} `{name}`: choose another, or do without {implementation}")


def samples_of(seconds: float) -> int:
    """At 16 kHz."""
    return round(seconds * SAMPLE_RATE)


def chosen(peers: str) -> list[str]:
    """Names of peers; `none` for none."""
    return [] if peers == "none" else names_in(peers)
