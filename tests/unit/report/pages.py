"""What a browser makes of a page, and what every page of ours has to be."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

VOID = {"meta", "img", "br", "hr", "link", "input"}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")


class Elements(HTMLParser):
    """All start tags of a page with their attributes, its text, and whether every tag is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert not self.open, "left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


def check_page(html: str) -> Elements:
    """Well formed, nothing from outside, one script of ours, names that stay in view, dark and printed."""
    elements = Elements(html)
    assert not {tag for tag, _ in elements.tags} & {"link", "iframe", "object", "a"}
    sources = [value or "" for _, attributes in elements.tags for key, value in attributes.items() if key in ("src", "href")]
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"https?://|@import|url\(", html)
    assert len(elements.of("script")) == 1
    for rule in ("prefers-color-scheme: dark", "position: sticky", "@media print", "max-width: 600px"):
        assert rule in html
    return elements


def in_browser(page: Path, *options: str) -> str:
    """What Chromium prints."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
