"""SUPERB's tasks by hours heard in pre-training (Vaessen and van Leeuwen, figure 5 and table 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fairseq_budget import published
from fairseq_budget.arithmetic.units import SECONDS_PER_HOUR
from fairseq_budget.studies import batch_size
from fairseq_budget.studies.asr_labels import series
from fairseq_budget.studies.hours_heard import ALL_UPDATES, thousands
from fairseq_budget.studies.study import PAPER, Axis, Cell, Kept, Published, Study

QUARTERS = (1, 2, 3, 4)
"""Of the updates, after which checkpoints are evaluated."""
RATE = ("--lr", "1e-4")
"""Of every head (its section on SUPERB)."""


def _cells(scale: str) -> Sequence[Cell]:
    return list(_all(scale))


def _all(scale: str) -> Iterator[Cell]:
    updates = ALL_UPDATES if scale == PAPER else batch_size.MINI_UPDATES
    parents = batch_size.STUDY.cells(scale)
    yield from (replace(cell, auxiliary=True, tasks=()) for cell in parents)
    for parent in parents:
        for quarter in QUARTERS:
            at = updates * quarter // 4
            yield replace(
                parent,
                name=f"{parent.name}-at{at}",
                series=series(parent.x),
                x=parent.x * at / SECONDS_PER_HOUR,
                looks_at=Kept(parent.name, at),
                options=RATE,
            )


def _published() -> list[Published]:
    found = []
    for row in published.superb_by_batch_size():
        seconds = batch_size.IN_SECONDS[str(row["ssl_batch"])]
        hours = seconds * thousands(str(row["steps"])) / SECONDS_PER_HOUR
        values = {ours: float(row[theirs]) for theirs, ours in batch_size.COLUMNS.items()}
        found.append(Published("wav2vec2", series(seconds), hours, values))
    return found


STUDY = Study(
    name="superb_hours",
    title="SUPERB by hours heard in pre-training",
    source="Vaessen and van Leeuwen, The effect of batch size, figure 5 and table 5",
    axis=Axis("hours of speech heard in pre-training"),
    cells=_cells,
    published=_published,
    columns=(*batch_size.COLUMNS.values(), "KS_ACC"),
    together=lambda series: "all batches",
    differences={
        "paper": (
            *batch_size.STUDY.differences["paper"],
            "Hours are batch times updates, as in the paper's own axis: full batches.",
        ),
        "mini": (
            *batch_size.STUDY.differences["mini"],
            "Checkpoints after 150, 300, 450 and 600 updates; the head's rate is chosen of four.",
        ),
    },
)
