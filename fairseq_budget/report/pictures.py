"""Pictures of a page: files beside it, and embedded in it so that they follow a reader's dark or light ground."""

from __future__ import annotations

import base64
import colorsys
import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

_COLOUR = re.compile(r"(?<=: )#[0-9a-f]{6}\b")
"""As matplotlib writes them into styles."""
_PALE, _GREY = 0.85, 0.15
"""Lightness from which a colour is a ground, and saturation up to which it is a grey."""
_ON_DARK = 0.6
"""The least lightness of a curve on a dark ground; lighter ones stay lighter than others."""


@dataclass(frozen=True)
class Picture:
    """An SVG that is embedded: its bytes in base64, and what it shows for those who cannot see it."""

    data: str
    shows: str
    title: str = ""


def save(figure: Figure, path: Path) -> None:
    """PNG, SVG or PDF without the writer's name or the date in it, so that the same study gives the same bytes."""
    stamps = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"svg.hashsalt": "fairseq-budget", "pdf.fonttype": 42}):
        figure.savefig(path, dpi=110, metadata=stamps[path.suffix])


def embed(figure: Figure, path: Path, shows: str, title: str = "") -> Picture:
    """Write the picture as `path`, a PNG, and as an SVG beside it, which is embedded."""
    save(figure, path)
    vector = path.with_suffix(".svg")
    save(figure, vector)
    return Picture(base64.b64encode(adaptive(vector.read_text(encoding="utf-8")).encode()).decode("ascii"), shows, title)


def adaptive(svg: str) -> str:
    """The SVG with every colour twice: as it was drawn, and for a reader who prefers a dark ground.

    An image in a page sees its reader's preference itself, so this needs neither a second picture nor a script.
    """
    colours = sorted(set(_COLOUR.findall(svg)))
    light = "".join(f"--c{colour[1:]}:{colour};" for colour in colours)
    dark = "".join(f"--c{colour[1:]}:{on_dark(colour)};" for colour in colours)
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    varied = _COLOUR.sub(lambda found: f"var(--c{found[0][1:]})", svg)
    head, body = varied.split("<defs>", 1)
    return f"{head}{style}<defs>{body}"


def on_dark(colour: str) -> str:
    """Its counterpart on a dark ground: grounds and greys change places, curves keep their hue and become light enough."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(*channels)
    neutral = lightness > _PALE or saturation < _GREY
    turned = 0.1 + 0.8 * (1 - lightness) if neutral else _ON_DARK + 0.3 * lightness
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in colorsys.hls_to_rgb(hue, turned, saturation))
