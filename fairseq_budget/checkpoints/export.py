"""What is exported: a checkpoint of HuBERT or wav2vec 2.0."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fairseq_budget.checkpoints.pretrained import Pretrained, load_pretrained
from fairseq_budget.errors import BudgetError
from fairseq_budget.files import atomic
from fairseq_budget.frontends import DEFAULT

EXPORTED = ("hubert", "wav2vec2")
"""The objectives whose model exists elsewhere under the same name."""

TOLERANCE = 1e-4
"""A model whose features differ by more of their largest value is wrong: single precision leaves about 1e-6."""


def read_source(checkpoint: Path, out: Path) -> Pretrained:
    """The model in `checkpoint`, which is to be written to `out`.

    None has a HuBERT
    or wav2vec 2.0 that reads log-mel frames, either.

    Raises:
        BudgetError: there is something at `out`, the checkpoint cannot be read, or it is of another objective:
            s3prl's TERA reads filter banks of its own, transformers and fairseq have none, and none has BEST-RQ.
    """
    refuse_existing(out)
    pretrained = load_pretrained(checkpoint)
    if pretrained.objective not in EXPORTED:
        raise BudgetError(
            f"`{checkpoint}` is a model of {pretrained.objective}, which none of fairseq, transformers and s3prl has on "
            f"waveforms: use it in s3prl with `-u budget_local -k {checkpoint}`"
        )
    frontend = pretrained.model.model_shape.frontend.name
    if frontend != DEFAULT:
        raise BudgetError(
            f"`{checkpoint}` reads frames of the front end `{frontend}`, which no model of fairseq, transformers or s3prl "
            f"does: use it in s3prl with `-u budget_local -k {checkpoint}`"
        )
    return pretrained


def refuse_existing(out: Path) -> None:
    """Nothing is written over."""
    if out.exists():
        raise BudgetError(f"`{out}` exists: name a place where nothing is, or remove it")


def check_features(difference: float, out: Path) -> None:
    """Refuse an exported model whose features aren't ours; `difference` is the largest, over the largest value.

    Raises:
        BudgetError: it is more than rounding.
    """
    if not difference <= TOLERANCE:
        raise BudgetError(
            f"features of the exported model differ by {difference:.1e} of the largest: `{out}` wasn't written"
        )


def write(content: dict[str, Any], out: Path, check: Callable[[Path], None] | None = None) -> None:
    """Write a file of tensors and plain values, all or nothing; `check` gets it before it has its name.

    Raises:
        BudgetError: it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic(out) as partial:
            torch.save(content, partial)
            if check is not None:
                check(partial)
    except OSError as error:
        raise BudgetError(f"`{out}` cannot be written ({error.strerror}): choose another place") from error
