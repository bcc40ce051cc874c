"""Objective and shape at equal budget and parameters (Liu et al. 2024, table 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairseq_budget import published
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.objectives import OBJECTIVES, STUDIED, get_objective
from fairseq_budget.published.columns import TABLE_2
from fairseq_budget.studies.cells import PUBLISHED_FLOPS, SMALL_SHAPE, mini_cell, paper_cell, with_teacher
from fairseq_budget.studies.study import PAPER, Axis, Cell, Published, Study

TASKS = ("asr", "pr", "asv", "sd", "sf", "ks", "ic", "sid", "er")
SHAPES = {"small": 1.0, "slim": 2.0}
MINI_FLOPS = 8e11


def _cells(scale: str) -> Sequence[Cell]:
    return list(with_teacher(_paper()) if scale == PAPER else _mini())


def _paper() -> Iterator[Cell]:
    for objective in STUDIED:
        for size, place in SHAPES.items():
            yield paper_cell(objective, size, place, TASKS)


def _mini() -> Iterator[Cell]:
    for objective in OBJECTIVES:
        yield mini_cell(objective, "1", SHAPES["small"], MINI_FLOPS, ("ks",), changed=SMALL_SHAPE, called="-wide")
        yield mini_cell(objective, "1", SHAPES["slim"], MINI_FLOPS, ("ks",))


def _published() -> list[Published]:
    return [
        Published(
            str(row["objective"]),
            f"{get_objective(str(row['objective'])).title}, {human_flops(PUBLISHED_FLOPS)}",
            SHAPES[str(row["arch"])],
            {column.key: float(row[column.key]) for column in TABLE_2},
        )
        for row in published.superb()
    ]


STUDY = Study(
    name="objectives",
    title="Objective and shape at equal budget and parameters",
    source=f"{published.PAPER}, table 2",
    axis=Axis("shape", {1.0: "Small: few wide layers", 2.0: "Slim: many narrow layers"}),
    cells=_cells,
    published=_published,
    columns=("valid_loss", *(column.key for column in TABLE_2)),
    differences={
        "paper": (),
        "mini": (
            "Mel frames, 0.2 M parameters: 3 layers of 64 stand for Slim, one of 96 for Small; keyword spotting alone.",
            "HuBERT's labels are clusters of MFCC (its first round); BEST-RQ, which the paper doesn't have, is there, too.",
        ),
    },
)
