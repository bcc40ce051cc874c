"""Which size a budget is best spent on (Liu et al. 2024, figure 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairseq_budget import published
from fairseq_budget.arithmetic.sizes import get_size
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.objectives import STUDIED, get_objective
from fairseq_budget.studies.cells import PUBLISHED_FLOPS, mini_cell, paper_cell, with_teacher
from fairseq_budget.studies.study import PAPER, Axis, Cell, Published, Study

SIZES = ("30", "50", "70", "slim", "200", "base", "large")
MINI_SIZES = ("0.05", "0.15", "0.2", "0.5", "1", "2")
MINI_FLOPS = {2e11: MINI_SIZES, 8e11: MINI_SIZES, 3.2e12: ("0.15", "0.2", "0.5", "1", "2", "5")}
"""Budgets, and the sizes that each is spent on: of the largest one, the smallest size would take a quarter of the time."""
SCORED_FLOPS = 8e11
"""The mini budget whose models are evaluated, too."""


def _cells(scale: str) -> Sequence[Cell]:
    return list(with_teacher(_paper()) if scale == PAPER else _mini())


def _paper() -> Iterator[Cell]:
    for flops in (PUBLISHED_FLOPS, PUBLISHED_FLOPS / 2):
        for objective in STUDIED:
            for size in SIZES:
                percent = get_objective(objective).percent(get_size(size))
                yield paper_cell(objective, size, percent, ("asr", "asv"), flops)


def _mini() -> Iterator[Cell]:
    for flops, sizes in MINI_FLOPS.items():
        for size in sizes:
            yield mini_cell("hubert", size, None, flops, ("ks",) if flops == SCORED_FLOPS else ())
    for objective in ("wav2vec2", "tera"):
        for size in MINI_SIZES:
            yield mini_cell(objective, size, None, min(MINI_FLOPS))


def _published() -> list[Published]:
    columns = {"valid_loss": "valid_loss", "train_loss": "train_loss", "ASR_WER": "asr_wer", "ASV_EER": "asv_eer"}
    return [
        Published(
            str(row["objective"]),
            f"{get_objective(str(row['objective'])).title}, {human_flops(PUBLISHED_FLOPS)}",
            float(row["percent_of_slim"]),
            {column: float(row[key]) for column, key in columns.items()},
        )
        for row in published.u_curve()
    ]


STUDY = Study(
    name="model_size",
    title="Which size a budget is best spent on",
    source=f"{published.PAPER}, figure 2",
    axis=Axis("size, % of Slim's parameters"),
    cells=_cells,
    published=_published,
    columns=("valid_loss", "train_loss", "ASR_WER", "ASV_EER", "KS_ACC"),
    differences={
        "paper": ("Half budgets are the paper's, but it publishes no numbers of them.",),
        "mini": (
            "Mel frames in the place of convolutions; sizes a thousand times, and budgets a million times smaller.",
            "HuBERT's labels are clusters of MFCC (its first round).",
            "Budgets a factor 4 apart, where the paper has a factor 2; wav2vec 2.0 and TERA on the smallest one alone.",
            "Warm-up is 8% of a run, as of Slim's, for every size; keyword spotting in the place of ASR and ASV.",
        ),
    },
)
