"""``fairseq-budget export``: a checkpoint for other toolkits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairseq_budget.cli.bench_options import quiet
from fairseq_budget.errors import ConfigError

if TYPE_CHECKING:
    from fairseq_budget.records.pretraining import PretrainingRecord


class Toolkit(StrEnum):
    """Who is to read it."""

    FAIRSEQ = "fairseq"
    S3PRL = "s3prl"
    HF = "hf"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of HuBERT or wav2vec 2.0.")],
    out: Annotated[Path, typer.Argument(help="What to write: a file for fairseq and s3prl, a folder for hf.")],
    to: Annotated[Toolkit, typer.Option(help="Stock fairseq, s3prl's own upstreams, or Hugging Face's transformers.")],
    superb: Annotated[
        list[Path] | None, typer.Option(help="With hf: folder with results of downstream runs, for the model card.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="With hf: the model's licence, for the model card, such as cc-by-4.0.")
    ] = None,
    push: Annotated[str | None, typer.Option(help="With hf: also upload it to this repository of huggingface.co.")] = None,
) -> None:
    """Write a checkpoint as fairseq, s3prl or Hugging Face's transformers read it without us, with the same features.

    One utterance at a time gives the same features everywhere.  Padded batches differ: theirs take the padding into the
    statistics of a group norm, and the attention of fairseq's HuBERT and of s3prl sees a frame of it.

    Example: fairseq-budget export hubert-slim/checkpoints/checkpoint_last.pt hubert-slim-hf --to hf
    """
    if to is not Toolkit.HF and (superb or licence or push):
        raise ConfigError(f"`--superb`, `--licence` and `--push` belong to `--to hf`, not to `--to {to.value}`")
    # torch, fairseq and transformers take seconds to import; other commands must not wait for them
    match to:
        case Toolkit.S3PRL:
            _to_s3prl(checkpoint, out)
        case Toolkit.FAIRSEQ:
            _to_fairseq(checkpoint, out)
        case Toolkit.HF:
            _to_hf(checkpoint, out, superb or [], licence, push)


def _to_s3prl(checkpoint: Path, out: Path) -> None:
    from fairseq_budget.checkpoints import s3prl

    upstream = s3prl.export(checkpoint, out)
    typer.echo(f"{out}: use it in s3prl with `-u {upstream} -k {out}`")


def _to_fairseq(checkpoint: Path, out: Path) -> None:
    with quiet():
        from fairseq_budget.plugin import stock

        largest = stock.export(checkpoint, out)
    typer.echo(f"{out}: load it with `fairseq.checkpoint_utils.load_model_ensemble_and_task(['{out}'])`")
    typer.echo(f"fine-tune it with fairseq's recipes and `model.w2v_path={out.absolute()}`")
    _tell(largest)


def _to_hf(checkpoint: Path, out: Path, superb: list[Path], licence: str | None, repository: str | None) -> None:
    from fairseq_budget.checkpoints import hub, huggingface

    if repository is not None:
        hub.check_push(repository)
    largest = huggingface.export(checkpoint, out, {"README.md": _card(checkpoint, out, superb, licence)})
    typer.echo(f"{out}: load it with `transformers.AutoModel.from_pretrained('{out}')`")
    _tell(largest)
    if repository is not None:
        typer.echo(f"pushed to {hub.push(out, repository)}")


def _card(checkpoint: Path, out: Path, superb: list[Path], licence: str | None) -> str:
    from fairseq_budget.checkpoints.export import read_source
    from fairseq_budget.checkpoints.huggingface import CLASSES
    from fairseq_budget.objectives.loss import FEATURES_PENALTY
    from fairseq_budget.records.results import read_results
    from fairseq_budget.report.model_card import Model, model_card

    pretrained = read_source(checkpoint, out)
    masking = {"mask_prob": pretrained.config.mask_prob, "mask_length": pretrained.config.mask_length}
    model = Model(
        pretrained.objective,
        CLASSES[pretrained.objective][1].__name__,
        pretrained.shape,
        pretrained.normalize,
        pretrained.updates,
        masking | {"penalty": FEATURES_PENALTY} if pretrained.objective == "wav2vec2" else None,
    )
    return model_card(model, _record(checkpoint), read_results(superb), licence)


def _record(checkpoint: Path) -> PretrainingRecord | None:
    """The record of the run whose newest checkpoint this is; of others of its checkpoints it doesn't tell."""
    from fairseq_budget.records.base import FILE
    from fairseq_budget.records.pretraining import PretrainingRecord

    path = checkpoint.absolute().parent.parent / FILE
    record = PretrainingRecord.read(path) if path.is_file() else None
    return record if record is not None and Path(record.checkpoint or "").name == checkpoint.name else None


def _tell(largest: float) -> None:
    typer.echo(f"features of one second of noise differ by {largest:.1e} of the largest value")
