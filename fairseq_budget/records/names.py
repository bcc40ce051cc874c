"""Objectives, sizes and upstreams as they are written in text."""

from __future__ import annotations

from pathlib import Path

from fairseq_budget.objectives import MODEL_PREFIX, OBJECTIVES

OWN_SHAPE = "own shape"
"""Size of a model that has no row in the table of sizes (its record says null)."""
UNTRAINED = "untrained "
"""Before the objective of a model of ours whose weights were never trained."""
_OTHERS = {"fbank": "FBANK"}


def objective_name(objective: str) -> str:
    """An objective as it is written in text; an unknown one as it is."""
    if objective.startswith(UNTRAINED):
        return UNTRAINED + objective_name(objective.removeprefix(UNTRAINED))
    known = {name: entry.title for name, entry in OBJECTIVES.items()}
    return (known | _OTHERS).get(objective, objective)


def size_name(size: str) -> str:
    """A size as it is written in text: ``Slim``, ``size 30`` (not ``30%``: scores are percentages, too)."""
    return f"size {size}" if size[:1].isdigit() else size.capitalize()


def size_of_upstream(upstream: str, size: str | None) -> str | None:
    """The size in a record; one of our upstreams without a size has a shape of its own, others have none."""
    return size or (OWN_SHAPE if upstream.startswith(MODEL_PREFIX) else None)


def upstream_name(objective: str, size: str | None) -> str:
    """``HuBERT Slim``; just ``FBANK`` for an upstream without a size."""
    return objective_name(objective) if size is None else f"{objective_name(objective)} {size_name(size)}"


def run_name(checkpoint: Path) -> str:
    """The folder of a checkpoint's run; a checkpoint somewhere else by its own name."""
    return checkpoint.parents[1].name if checkpoint.parent.name == "checkpoints" else checkpoint.stem
