"""Cells that several studies have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fairseq_budget.arithmetic.sizes import get_size
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.objectives import get_objective
from fairseq_budget.studies.study import Cell

PUBLISHED_FLOPS = 1.33e18
"""Of every run of Liu et al. 2024; half of it in their figure 2, too."""
PUBLISHED_HOURS = 960
"""Of LibriSpeech, which all three papers train on."""
MINI_OVERRIDES = ("frontend=mel", "budget=mini", "model.mel_statistics=utterance")
"""Mel frames, of which small models learn in minutes; each utterance's own statistics take speaker and channel away."""
TEACHER = f"hubert-slim-{250 / 400 * PUBLISHED_FLOPS:.4g}-round1"
"""The first round's Slim: 250k of the 400k updates, on 100 clusters of MFCC; its middle layer labels every HuBERT."""
SMALL_SHAPE = (
    *("model.encoder_layers=1", "model.encoder_embed_dim=96", "model.encoder_ffn_embed_dim=384"),
    "model.encoder_attention_heads=2",
)
"""To mini size 1 (3 layers of 64) what Small is to Slim: as many parameters, 1% more, in fewer and wider layers."""


def paper_cell(
    objective: str, size: str, x: float, tasks: Sequence[str], flops: float = PUBLISHED_FLOPS, hours: float = PUBLISHED_HOURS
) -> Cell:
    """A run of Liu et al. 2024: a size on a budget, on all of LibriSpeech or a part of it."""
    chosen = get_objective(objective)
    name = f"{objective}-{size}-{flops:.4g}" + ("" if hours == PUBLISHED_HOURS else f"-{hours:g}h")
    return Cell(
        name,
        objective,
        (f"size={size}", "budget=paper", f"task.budget.flops={flops:g}"),
        f"{chosen.title}, {human_flops(flops)}",
        x,
        data_share=hours / PUBLISHED_HOURS,
        teacher=TEACHER if chosen.needs_labels else None,
        tasks=tuple(tasks),
    )


def mini_cell(
    objective: str,
    size: str,
    x: float | None,
    flops: float,
    tasks: Sequence[str] = (),
    share: float = 1.0,
    changed: Sequence[str] = (),
    called: str = "",
) -> Cell:
    """A run of minutes on a CPU core; HuBERT's labels are clusters of MFCC.

    `x` is the size in percent of Slim if None.  `changed` are further overrides, and `called` says so in the cell's name.
    """
    chosen = get_objective(objective)
    name = f"{objective}-{size}{called}-mel-{flops:.4g}" + ("" if share == 1 else f"-share{share:g}")
    overrides = (f"size={size}", *MINI_OVERRIDES, f"task.budget.flops={flops:g}", *changed)
    place = chosen.percent(get_size(size), "mel") if x is None else x
    return Cell(
        name, objective, overrides, f"{chosen.title}, {human_flops(flops)}", place, data_share=share, tasks=tuple(tasks)
    )


def with_teacher(cells: Iterable[Cell]) -> Iterator[Cell]:
    """The cells, after the one that labels those which need it."""
    cells = list(cells)
    if any(cell.teacher for cell in cells):
        overrides = ("size=slim", "budget=paper_round1")
        yield Cell(TEACHER, "hubert", overrides, "HuBERT, first round", 100, auxiliary=True)
    yield from cells
