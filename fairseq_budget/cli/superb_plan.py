"""``fairseq-budget superb --plan``: what SUPERB's tasks cost, with a store of hidden states and without."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import GIB, human_flops
from fairseq_budget.cli.output import output, plain_table

if TYPE_CHECKING:
    from s3prl_upstreams.sweep.price import TaskPrice
    from s3prl_upstreams.sweep.settings import SweepSettings

Plan = Annotated[bool, typer.Option("--plan", help="Print what the tasks cost, from their corpora and recipes, and end.")]
Speed = Annotated[
    float | None,
    typer.Option(help="With --plan: TFLOP/s of the device (default: 0.1 of a CPU, 20 of a GPU, which is rough).", min=1e-6),
]


def show(todo: Sequence[SweepSettings], tera_flops: float | None, as_json: bool) -> None:
    """Print the prices of tasks."""
    from s3prl_upstreams.sweep.price import price
    from s3prl_upstreams.sweep.worker import prepare_process

    prepare_process()
    prices = [price(settings, None if tera_flops is None else tera_flops * 1e12) for settings in todo]
    if as_json:
        print(json.dumps([one.as_dict() for one in prices], indent=2))
    else:
        _print(prices)


HEADINGS = ("task", "utterances", "passes", "upstream", "with store", "heads", "store", "device", "with store")


_WIDTH = 110
"""Columns of a terminal; where it has fewer, lines are broken rather than cells."""


def _print(prices: Sequence[TaskPrice]) -> None:
    table = plain_table(*HEADINGS)
    for one in prices:
        table.add_row(*_columns(one))
    console = Console(soft_wrap=True, width=max(output().width, _WIDTH))
    console.print(table)
    for one in prices:
        console.print(f"{one.task}: {one.reason}", highlight=False, markup=False)


def _columns(one: TaskPrice) -> Iterator[str]:
    yield one.task
    yield numbers.count(one.utterances)
    yield numbers.significant(one.passes)
    for flops in (one.upstream_flops, one.upstream_flops_with_store, one.head_flops):
        yield numbers.NOTHING if flops is None else human_flops(flops)
    yield numbers.NOTHING if one.store_bytes is None else f"{numbers.significant(one.store_bytes / GIB)} GiB"
    for seconds in (one.device_seconds, one.device_seconds_with_store):
        yield numbers.NOTHING if seconds is None else numbers.duration(seconds)
