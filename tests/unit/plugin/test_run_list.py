"""Hydra's sweeper for a list of runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException
from hydra_plugins.run_list import read_runs


def test_a_line_is_a_run(tmp_path: Path) -> None:
    path = tmp_path / "runs.txt"
    path.write_text("# all\nsize=slim 'optimization.lr=[1e-4]'  # quoted as in a shell\n\nsize=30\n")
    assert read_runs(path) == [["size=slim", "optimization.lr=[1e-4]"], ["size=30"]]


@pytest.mark.parametrize(("text", "message"), [("a='", r":1: No closing quotation"), ("\n# nothing\n", "has no run")])
def test_what_is_no_list_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "runs.txt"
    path.write_text(text)
    with pytest.raises(ConfigCompositionException, match=message):
        read_runs(path)


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigCompositionException, match="runs.txt` cannot be read"):
        read_runs(tmp_path / "runs.txt")
