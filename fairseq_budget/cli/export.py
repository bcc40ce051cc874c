"""``fairseq-budget export``: a checkpoint for other toolkits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fairseq_budget.cli.bench_options import quiet


class Toolkit(StrEnum):
    """Who is to read it."""

    FAIRSEQ = "fairseq"
    S3PRL = "s3prl"
    HF = "hf"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of HuBERT or wav2vec 2.0.")],
    out: Annotated[Path, typer.Argument(help="What to write: a file for fairseq and s3prl, a folder for hf.")],
    to: Annotated[Toolkit, typer.Option(help="Stock fairseq, s3prl's own upstreams, or Hugging Face's transformers.")],
) -> None:
    """Write a checkpoint as fairseq, s3prl or Hugging Face's transformers read it without us, with the same features.

    One utterance at a time gives the same features everywhere.  Padded batches differ: theirs take the padding into the
    statistics of a group norm, and the attention of fairseq's HuBERT and of s3prl sees a frame of it.
    """
    # torch and transformers take seconds to import; other commands must not wait for them
    if to is Toolkit.S3PRL:
        from fairseq_budget.checkpoints import s3prl

        upstream = s3prl.export(checkpoint, out)
        typer.echo(f"{out}: use it in s3prl with `-u {upstream} -k {out}`")
        return
    if to is Toolkit.FAIRSEQ:
        with quiet():
            from fairseq_budget.plugin import stock

            largest = stock.export(checkpoint, out)
        typer.echo(f"{out}: load it with `fairseq.checkpoint_utils.load_model_ensemble_and_task(['{out}'])`")
        typer.echo(f"fine-tune it with fairseq's recipes and `model.w2v_path={out.absolute()}`")
        _tell(largest)
        return
    from fairseq_budget.checkpoints import huggingface

    largest = huggingface.export(checkpoint, out)
    typer.echo(f"{out}: load it with `transformers.AutoModel.from_pretrained('{out}')`")
    _tell(largest)


def _tell(largest: float) -> None:
    typer.echo(f"features of one second of noise differ by {largest:.1e} of the largest value")
