"""Colours and markers: the same size has one colour and the same objective one marker in every picture."""

from __future__ import annotations

from typing import Any

from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.objectives import OBJECTIVES

_MARKERS = {objective.name: objective.marker for objective in OBJECTIVES.values()} | {"fbank": "D"}

# Paul Tol's "muted" colours, chosen to be told apart with any colour vision.
_PALETTE = ("#332288", "#88CCEE", "#44AA99", "#999933", "#117733", "#DDCC77", "#CC6677", "#882255")
# ... and his discrete rainbow without its palest, in which neighbours in size are neighbours in colour
_MINI_PALETTE = (
    *("#BA8DB4", "#994F88", "#882E72", "#1965B0", "#5289C7", "#4EB265"),
    *("#90C987", "#EEBB3C", "#EE8026", "#DC050C", "#72190E"),
)
_COLOURS = {
    name: palette[place % len(palette)]
    for mini, palette in ((False, _PALETTE), (True, _MINI_PALETTE))
    for place, name in enumerate(size.name for size in SIZES.values() if size.mini == mini)
}
# Paul Tol's "bright" colours, without its grey
_SERIES = ("#4477AA", "#EE6677", "#228833", "#AA3377", "#66CCEE", "#CCBB44")
# Paul Tol's "iridescent" colours, darker end
_BUDGETS = ("#7BBCE7", "#8E9FD5", "#9B8AC4", "#9D7DB2", "#906388", "#684957", "#46353A")
PAPER_GREY = "#f3f0e8"
"""Ground of what is published."""
INK = "#222222"
STYLE: Any = {  # of rcParams, whose names matplotlib lists as a type of their own
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}
"""matplotlib's settings for every picture."""
PANEL = (6.0, 4.3)
"""Inches of a picture on a page."""
COLUMN = 3.25
"""Inches of a column of a paper."""


def panel_style(width: float = PANEL[0]) -> Any:
    """The same for a picture of one panel, so many inches wide: lines and letters shrink with it, down to 7 points."""
    share = width / PANEL[0]
    return STYLE | {
        "figure.figsize": (width, width * PANEL[1] / PANEL[0]),
        "font.size": max(7.0, 12 * share),
        "axes.titlesize": "medium",
        "axes.titleweight": "bold",
        "axes.linewidth": 0.8 * share,
        "lines.linewidth": 1.8 * share,
        "lines.markersize": 8 * share,
        "lines.markeredgewidth": 1.6 * share,
    }


NO_SIZE = "#777777"
"""Colour of what has no row in the table of sizes: FBANK, and shapes of one's own."""


def objective_marker(objective: str) -> str:
    """The objective's marker in plots."""
    return _MARKERS.get(objective, "X")


def budget_colour(place: int, count: int) -> str:
    """Of one of several budgets in a picture, the smallest first: from light to dark, told apart in grey, too."""
    return _BUDGETS[round(place * (len(_BUDGETS) - 1) / max(count - 1, 1))] if count > 1 else _BUDGETS[-1]


_LINES = (("o", "-"), ("s", "--"), ("^", ":"))


def series_colour(place: int) -> str:
    """Of a study's curves, by their order."""
    return _SERIES[place % len(_SERIES)]


def series_line(place: int) -> dict[str, Any]:
    """Marker and line of a study's curves: curves that share a colour differ in these."""
    marker, line = _LINES[place // len(_SERIES) % len(_LINES)]
    return {"color": series_colour(place), "marker": marker, "linestyle": line, "markerfacecolor": "white"}


def size_colour(size: str | None) -> str:
    """The size's colour: fixed by its row in the table of sizes, whatever else is in the study."""
    return _COLOURS.get(size or "", NO_SIZE)
