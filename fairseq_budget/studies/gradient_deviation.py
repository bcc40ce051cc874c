"""How far gradients of random batches are apart, by their size and over training (Vaessen and van Leeuwen, figure 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fairseq_budget.studies import batch_size
from fairseq_budget.studies.hours_heard import ALL_UPDATES
from fairseq_budget.studies.study import GRADIENTS, PAPER, Axis, Cell, Kept, Study

TRAINED_ON, MINI_TRAINED_ON = 600.0, 15.0
"""Seconds of the batches of the run whose checkpoints are looked at."""
MINI_SECONDS, MINI_EIGHTHS, PAPER_EIGHTHS = (4.0, 8.0, 16.0, 32.0, 64.0), (2, 4, 8), range(1, 9)


def _cells(scale: str) -> Sequence[Cell]:
    return list(_all(scale))


def _all(scale: str) -> Iterator[Cell]:
    seconds = TRAINED_ON if scale == PAPER else MINI_TRAINED_ON
    parent = next(cell for cell in batch_size.STUDY.cells(scale) if cell.x == seconds)
    yield replace(parent, auxiliary=True, tasks=())
    updates = ALL_UPDATES if scale == PAPER else batch_size.MINI_UPDATES
    sizes = batch_size.IN_SECONDS.values() if scale == PAPER else MINI_SECONDS
    crop = 10.0 if scale == PAPER else 2.0
    for eighths in PAPER_EIGHTHS if scale == PAPER else MINI_EIGHTHS:
        at = updates * eighths // 8
        for size in sizes:
            yield replace(
                parent,
                name=f"{parent.name}-at{at}-gradients{size:g}s",
                series=f"after {at} updates",
                x=size,
                tasks=(GRADIENTS,),
                looks_at=Kept(parent.name, at),
                options=("--seconds", f"{size:g}", "--crop", f"{crop:g}"),
            )


STUDY = Study(
    name="gradient_deviation",
    title="How far gradients of random batches are apart",
    source="Vaessen and van Leeuwen, The effect of batch size, figure 3 (a figure alone: no numbers stand beside)",
    axis=Axis("seconds of audio in a batch"),
    cells=_cells,
    published=list,
    columns=("deviation",),
    differences={
        "paper": ("The checkpoints are those of the run with batches of 600 s; crops of 10 s.",),
        "mini": ("Mel frames, 0.2 M parameters, batches of 4 to 64 s in crops of 2 s.",),
    },
)
