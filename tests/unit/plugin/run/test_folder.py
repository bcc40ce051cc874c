"""A run has its folder of checkpoints for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairseq_budget import locks
from fairseq_budget.plugin.errors import UserError
from fairseq_budget.plugin.run import folder
from tests.unit.plugin.tiny_task import tiny_task


def test_a_second_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "ENDING", 0.0)
    lock = tmp_path / "checkpoints" / locks.RUN  # where fairseq's configuration has it
    lock.parent.mkdir()
    with locks.alone(lock), pytest.raises(UserError, match=f"`{lock.parent}` is in use by process .*: wait for its end"):
        tiny_task(1)
    tiny_task(1)
    assert locks.held(lock)
    folder.hold(None)
    assert not locks.held(lock)
