"""Progress where nobody looks: silent at first, then a line now and then."""

from __future__ import annotations

import pytest

from fairseq_budget.data import progress
from fairseq_budget.data.progress import tracked


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(tracked(iter("abc"), "spelling", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_long_work_tells_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    assert list(tracked(iter("ab"), "spelling", 2)) == ["a", "b"]
    assert list(tracked(iter("a"), "reading", None)) == ["a"]
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["spelling: 1 of 2, 0 min left", "spelling: 2 of 2, 0 min left", "reading: 1"]
