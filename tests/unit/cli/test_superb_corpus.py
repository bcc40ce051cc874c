"""``fairseq-budget corpus mini-superb`` and ``superb``, as a user gives them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairseq_budget.cli import app
from fairseq_budget.errors import ConfigError

SHELL = CliRunner()


def test_miniatures_are_made_and_can_be_prepared_again(tmp_path: Path) -> None:
    answer = SHELL.invoke(app, ["corpus", "mini-superb", str(tmp_path), "--task", "sf", "--workers", "1"])
    assert answer.exit_code == 0, answer.output
    assert f"{tmp_path}/snips: 16 speakers, 24 files" in answer.output
    assert f"export SUPERB={tmp_path}" in answer.output
    slots = (tmp_path / "sf" / "slots.txt").read_bytes()
    words = ["corpus", "superb", "sf", str(tmp_path / "snips")]
    answer = SHELL.invoke(app, words, env={"SUPERB": str(tmp_path / "again")})
    assert answer.exit_code == 0 and f"{tmp_path}/again/sf/slots.txt: 6 slots" in answer.output
    assert (tmp_path / "again" / "sf" / "slots.txt").read_bytes() == slots


def test_a_folder_for_what_is_prepared_is_wanted(tmp_path: Path) -> None:
    answer = SHELL.invoke(app, ["corpus", "superb", "sf", str(tmp_path)], env={"SUPERB": ""})
    assert answer.exit_code == 2 and "--out" in answer.output


def test_unknown_tasks(tmp_path: Path) -> None:
    answer = SHELL.invoke(app, ["corpus", "superb", "vc", str(tmp_path), "--out", str(tmp_path)])
    assert isinstance(answer.exception, ConfigError)
    with pytest.raises(ConfigError, match="unknown task `vc`"):
        raise answer.exception
