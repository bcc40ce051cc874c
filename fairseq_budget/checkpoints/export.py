"""What is exported: a checkpoint of HuBERT or wav2vec 2.0."""

from __future__ import annotations

from pathlib import Path

from fairseq_budget.checkpoints.pretrained import Pretrained, load_pretrained
from fairseq_budget.errors import BudgetError
from fairseq_budget.frontends import DEFAULT

EXPORTED = ("hubert", "wav2vec2")
"""The objectives whose model exists elsewhere under the same name."""


def read_source(checkpoint: Path, out: Path) -> Pretrained:
    """The model in `checkpoint`, which is to be written to `out`.

    Raises BudgetError if there is something at `out`, if the checkpoint cannot be read, or if it is of another objective:
    s3prl's TERA reads filter banks of its own, transformers has none, and neither has BEST-RQ.  Neither has a HuBERT or
    wav2vec 2.0 that reads log-mel frames, either.
    """
    if out.exists():
        raise BudgetError(f"`{out}` exists: name a place where nothing is, or remove it")
    pretrained = load_pretrained(checkpoint)
    if pretrained.objective not in EXPORTED:
        raise BudgetError(
            f"`{checkpoint}` is a model of {pretrained.objective}, which neither transformers nor s3prl has on waveforms: "
            f"use it in s3prl with `-u budget_local -k {checkpoint}`"
        )
    frontend = pretrained.model.model_shape.frontend.name
    if frontend != DEFAULT:
        raise BudgetError(
            f"`{checkpoint}` reads frames of the front end `{frontend}`, which no model of transformers or s3prl does: "
            f"use it in s3prl with `-u budget_local -k {checkpoint}`"
        )
    return pretrained
