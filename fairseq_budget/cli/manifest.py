"""``fairseq-budget manifest``: which audio to train on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from fairseq_budget.errors import BudgetError


def manifest(
    root: Annotated[Path, typer.Argument(help="Folder with audio (FLAC, WAV, Ogg, MP3), at any depth.")],
    out: Annotated[Path, typer.Option(help="Folder for train.tsv and valid.tsv.")],
    valid_root: Annotated[Path | None, typer.Option(help="Folder with the validation audio.")] = None,
    valid_share: Annotated[
        float | None, typer.Option(help="Share of ROOT's utterances to validate on instead.  [default: 0.05]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice of validation utterances.")] = 0,
    min_seconds: Annotated[float, typer.Option(help="Leave out what is shorter.")] = 0.0,
    max_seconds: Annotated[float, typer.Option(help="Leave out what is longer.")] = math.inf,
) -> None:
    """Write fairseq's manifests train.tsv and valid.tsv for the audio below ROOT.  No audio is copied."""
    from fairseq_budget.data.manifest import split
    from fairseq_budget.data.scan import scan

    if valid_root is not None and valid_share is not None:
        raise BudgetError("`--valid-root` and `--valid-share` exclude each other: give one of them")
    train = scan(root).within(min_seconds, max_seconds)
    if valid_root is None:
        train, valid = split(train, 0.05 if valid_share is None else valid_share, seed)
    else:
        valid = scan(valid_root).within(min_seconds, max_seconds)
    for name, part in (("train", train), ("valid", valid)):
        path = out / f"{name}.tsv"
        part.write(path)
        typer.echo(f"{name}: {len(part)} utterances, {part.hours:.3f} h, {path}")
