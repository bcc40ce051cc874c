"""What the right size and shape give over Small, at equal budget (Liu et al. 2024, table 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairseq_budget import published
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.objectives import STUDIED, get_objective
from fairseq_budget.studies.cells import PUBLISHED_FLOPS, SMALL_SHAPE, mini_cell, paper_cell, with_teacher
from fairseq_budget.studies.study import PAPER, Axis, Cell, Published, Study

SIZES = {"small": 1.0, "200": 2.0}
MINI_FLOPS = 8e11


def _cells(scale: str) -> Sequence[Cell]:
    return list(with_teacher(_paper()) if scale == PAPER else _mini())


def _paper() -> Iterator[Cell]:
    for objective in STUDIED:
        for size, place in SIZES.items():
            yield paper_cell(objective, size, place, ("asr", "asv"))


def _mini() -> Iterator[Cell]:
    yield mini_cell("hubert", "1", SIZES["small"], MINI_FLOPS, ("ks",), changed=SMALL_SHAPE, called="-wide")
    yield mini_cell("hubert", "0.15", SIZES["200"], MINI_FLOPS, ("ks",))


def _published() -> list[Published]:
    sizes = {"small": "small", "slim": "200"}
    return [
        Published(
            str(row["objective"]),
            f"{get_objective(str(row['objective'])).title}, {human_flops(PUBLISHED_FLOPS)}",
            SIZES[sizes[str(row["arch"])]],
            {key: float(row[key]) for key in ("ASR_WER", "ASV_EER")},
        )
        for row in published.improved_small()
    ]


STUDY = Study(
    name="improved_small",
    title="What the right size and shape give over Small",
    source=f"{published.PAPER}, table 5",
    axis=Axis("size and shape", {1.0: "Small", 2.0: "the best size, Slim's shape"}),
    cells=_cells,
    published=_published,
    columns=("valid_loss", "ASR_WER", "ASV_EER", "KS_ACC"),
    differences={
        "paper": (),
        "mini": (
            "Mel frames; one layer of 96 (0.2 M parameters) stands for Small, one of 32 (0.04 M), the best found on this "
            "budget, for 200% of Slim; HuBERT alone, keyword spotting.",
        ),
    },
)
