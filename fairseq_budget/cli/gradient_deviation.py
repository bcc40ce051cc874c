"""``fairseq-budget analyse gradient-deviation``: how large batches have to be before gradients agree."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairseq_budget.arithmetic import numbers
from fairseq_budget.cli.lists import numbers_in
from fairseq_budget.cli.output import output, plain_table
from fairseq_budget.records.base import FILE
from fairseq_budget.records.gradients import GradientDeviation, GradientRecord

if TYPE_CHECKING:
    from fairseq_budget.diagnostics.gradients.deviation import Deviation


def gradient_deviation(
    checkpoints: Annotated[list[Path], typer.Argument(help="Checkpoints of one training or of several.")],
    data: Annotated[Path, typer.Option(help="Folder with train.tsv; of HuBERT with its labels, too.")],
    label_dir: Annotated[Path | None, typer.Option(help="HuBERT's labels, where they lie elsewhere.")] = None,
    seconds: Annotated[str, typer.Option(help="Sizes of a batch in seconds, comma-separated.")] = "16,32,64,128",
    crop: Annotated[float, typer.Option(help="Seconds of an utterance that are heard.")] = 4.0,
    batches: Annotated[int, typer.Option(help="Random batches of each size; the same for every checkpoint.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the batches.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu or cuda (default: a GPU if there is one).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for record.json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """The deviation of gradients over random batches, without updates (Vaessen and van Leeuwen, figure 3).

    Beside it the critical batch, whose noise is as large as the gradient (McCandlish et al. 2018): larger ones bring little.
    Example: fairseq-budget analyse gradient-deviation run/checkpoints/checkpoint_at_*.pt --data data --seconds 32,64,128
    """
    # torch takes seconds to import; other commands must not wait for it
    from fairseq_budget.diagnostics.gradients.deviation import measure
    from fairseq_budget.planning.machine import open_device

    chosen, sizes = open_device(device), numbers_in("--seconds", seconds, float)
    found = [
        result
        for checkpoint in checkpoints
        for result in measure(checkpoint, data, sizes, batches, crop, seed, chosen, label_dir)
    ]
    if out is not None:
        _record(found).write(out / FILE)
    if as_json:
        print(json.dumps([asdict(result) for result in found], indent=2))
    else:
        _print(found)


def _record(found: list[Deviation]) -> GradientRecord:
    from fairseq_budget.records.provenance import given_command, versions

    results = [GradientDeviation(**asdict(result)) for result in found]
    return GradientRecord.of(
        results=results,
        versions=versions(("torch", "numpy")),
        command=given_command(),
    )


def _print(found: list[Deviation]) -> None:
    table = plain_table("checkpoint", "updates", "batch", "deviation", "gradient", "critical batch")
    for result in found:
        deviation, norm = f"{result.deviation:.3g}", numbers.significant(result.norm)
        critical = numbers.duration(result.critical_seconds)
        path = Path(result.checkpoint)
        row = (
            f"{path.absolute().parent.parent.name}/{path.name}",
            numbers.count(result.updates),
            numbers.duration(result.seconds),
        )
        table.add_row(*row, deviation, norm, critical)
    output().print(table)
