"""Pictures that follow their reader's ground."""

from __future__ import annotations

import colorsys

import pytest

from fairseq_budget.report.looks import INK, PAPER_GREY, size_colour
from fairseq_budget.report.pictures import adaptive, on_dark


def lightness(colour: str) -> float:
    return colorsys.rgb_to_hls(*(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)))[1]


def test_grounds_become_dark_and_ink_light() -> None:
    assert on_dark("#ffffff") == "#1a1a1a", "the page's own ground"
    assert lightness(on_dark(PAPER_GREY)) < 0.2 < 0.7 < lightness(on_dark(INK))


@pytest.mark.parametrize("size", ["slim", "base", "0.15", "2"])
def test_curves_stay_what_they_are_and_become_visible(size: str) -> None:
    assert lightness(on_dark(size_colour(size).lower())) >= 0.64


def test_every_colour_is_there_twice() -> None:
    svg = adaptive('<svg><defs></defs><path style="fill: #ffffff; stroke: #222222"/><use href="#m123456"/></svg>')
    assert 'style="fill: var(--cffffff); stroke: var(--c222222)"' in svg and '"#m123456"' in svg
    light, dark = svg.split("@media (prefers-color-scheme:dark)")
    assert "--cffffff:#ffffff;" in light and "--cffffff:#1a1a1a;" in dark
