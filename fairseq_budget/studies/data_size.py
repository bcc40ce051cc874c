"""How much data a budget needs (Liu et al. 2024, table 3)."""

from __future__ import annotations

from collections.abc import Sequence

from fairseq_budget import published
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.objectives import get_objective
from fairseq_budget.published.columns import TABLE_2
from fairseq_budget.studies.cells import PUBLISHED_FLOPS, PUBLISHED_HOURS, mini_cell, paper_cell
from fairseq_budget.studies.objectives import TASKS
from fairseq_budget.studies.study import PAPER, Axis, Cell, Published, Study

HOURS = (960, 100, 10, 1)
MINI_SHARES = (1.0, 0.25, 0.0625)
MINI_FLOPS = 8e11


def _cells(scale: str) -> Sequence[Cell]:
    if scale == PAPER:
        return [paper_cell("wav2vec2", "slim", _percent(hours), TASKS, hours=hours) for hours in HOURS]
    return [
        mini_cell(objective, "0.5", 100 * share, MINI_FLOPS, ("ks",), share)
        for objective in ("hubert", "wav2vec2")
        for share in MINI_SHARES
    ]


def _percent(hours: float) -> float:
    return 100 * hours / PUBLISHED_HOURS


def _published() -> list[Published]:
    series = f"{get_objective('wav2vec2').title}, {human_flops(PUBLISHED_FLOPS)}"
    keys = [column.key for column in TABLE_2]
    return [
        Published("wav2vec2", series, _percent(float(row["hours"])), {key: float(row[key]) for key in keys})
        for row in published.superb_by_hours()
    ]


STUDY = Study(
    name="data_size",
    title="How much data a budget needs",
    source=f"{published.PAPER}, table 3",
    axis=Axis(f"training audio, % of all (published: of {PUBLISHED_HOURS} h)"),
    cells=_cells,
    published=_published,
    columns=("valid_loss", *(column.key for column in TABLE_2)),
    differences={
        "paper": (),
        "mini": (
            "Mel frames and a mini size; HuBERT besides wav2vec 2.0, which learns little on so small a budget.",
            "A quarter and a sixteenth of the audio, where the paper has 100, 10 and 1 of 960 h; keyword spotting alone.",
        ),
    },
)
