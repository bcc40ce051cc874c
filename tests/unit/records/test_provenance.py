"""Where a result comes from, also where there is nothing to ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fairseq_budget.records import provenance


def test_the_commit_of_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container has the checkout, and often no git."""
    if (provenance.ROOT / ".git").exists():
        assert re.fullmatch("[0-9a-f]{40}", provenance.git_revision() or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_revision() is None
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.git_revision() is None
