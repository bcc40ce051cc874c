"""``fairseq-budget export``: a checkpoint for other toolkits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Toolkit(StrEnum):
    """Who is to read it."""

    S3PRL = "s3prl"
    HF = "hf"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of HuBERT or wav2vec 2.0.")],
    out: Annotated[Path, typer.Argument(help="What to write: a file for s3prl, a folder for hf.")],
    to: Annotated[Toolkit, typer.Option(help="s3prl's own upstreams, or Hugging Face's transformers.")],
) -> None:
    """Write a checkpoint as s3prl's own upstreams or Hugging Face's transformers read it, with the same features.

    One utterance at a time gives the same features everywhere.  Padded batches differ: theirs take the padding into the
    statistics of a group norm, and s3prl's attention sees a frame of it.

    Example: fairseq-budget export hubert-slim/checkpoints/checkpoint_last.pt hubert-slim-hf --to hf
    """
    # torch and transformers take seconds to import; other commands must not wait for them
    if to is Toolkit.S3PRL:
        from fairseq_budget.checkpoints import s3prl

        upstream = s3prl.export(checkpoint, out)
        typer.echo(f"{out}: use it in s3prl with `-u {upstream} -k {out}`")
        return
    from fairseq_budget.checkpoints import huggingface

    largest = huggingface.export(checkpoint, out)
    typer.echo(f"{out}: load it with `transformers.AutoModel.from_pretrained('{out}')`")
    typer.echo(f"features of one second of noise differ by {largest:.1e} of the largest value")
