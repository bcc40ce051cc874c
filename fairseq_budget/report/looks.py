"""Colours and markers: the same size has one colour and the same objective one marker in every picture."""

from __future__ import annotations

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.objectives import OBJECTIVES

_MARKERS = {objective.name: objective.marker for objective in OBJECTIVES.values()} | {"fbank": "D"}

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


def objective_marker(objective: str) -> str:
    """The objective's marker in plots."""
    return _MARKERS.get(objective, "X")


def size_colour(size: str | None) -> str:
    """The size's colour: fixed by its row in the table of sizes, whatever else is in the study."""
    return _PALETTE[list(SIZES).index(size) % len(_PALETTE)] if size in SIZES else NO_SIZE
