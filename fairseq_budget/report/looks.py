"""Names, colours and markers: the same size has one colour and the same objective one marker in every picture."""

from __future__ import annotations

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.objectives import OBJECTIVES

_OBJECTIVES = {objective.name: (objective.title, objective.marker) for objective in OBJECTIVES.values()}
_OBJECTIVES["fbank"] = ("FBANK", "D")

# Paul Tol's "muted" colours, chosen to be told apart with any colour vision.
_PALETTE = ("#332288", "#88CCEE", "#44AA99", "#999933", "#117733", "#DDCC77", "#CC6677", "#882255")
STYLE = {
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}
"""matplotlib's settings for every picture."""
NO_SIZE = "#777777"
"""Colour of what has no row in the table of sizes: FBANK, and shapes of one's own."""


def objective_name(objective: str) -> str:
    """An objective as it is written in text; an unknown one as it is."""
    return _OBJECTIVES.get(objective, (objective, ""))[0]


def objective_marker(objective: str) -> str:
    """The objective's marker in plots."""
    return _OBJECTIVES.get(objective, ("", "X"))[1]


def size_name(size: str) -> str:
    """A size as it is written in text: ``Slim``, ``size 30`` (not ``30%``: scores are percentages, too)."""
    return f"size {size}" if size.isdigit() else size.capitalize()


def size_colour(size: str | None) -> str:
    """The size's colour: fixed by its row in the table of sizes, whatever else is in the study."""
    return _PALETTE[list(SIZES).index(size) % len(_PALETTE)] if size in SIZES else NO_SIZE


def upstream_name(objective: str, size: str | None) -> str:
    """``HuBERT Slim``; just ``FBANK`` for an upstream without a size."""
    return objective_name(objective) if size is None else f"{objective_name(objective)} {size_name(size)}"
