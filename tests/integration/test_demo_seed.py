"""`run.sh --seed`: a folder keeps the speech and the runs of one seed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.conftest import check
from tests.integration.test_installation import ROOT, call

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("made", "arguments", "told"),
    [
        ({".seed": "3\n"}, [], "was begun with --seed 3: give that one, or another --out"),
        ({".seed": "3\n"}, ["--seed", "4"], "was begun with --seed 3: give that one, or another --out"),
        ({"pretrain/hubert-1-8e11-seed1/record.json": "{}"}, ["--seed", "2"], "was begun with --seed 1: give that one"),
        ({}, ["--seed", "0"], "--seed is a number from 1 to 999999"),
        ({}, ["--seed", "1,2"], "--seed is a number from 1 to 999999"),
        ({}, ["--seed"], "--seed needs a value"),
    ],
)
def test_another_seed_is_refused(tmp_path: Path, made: dict[str, str], arguments: list[str], told: str) -> None:
    for name, text in made.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    refused = call(ROOT, "--stage", "1", "--out", str(tmp_path), *arguments, environment={"VENV": sys.prefix})
    assert refused.returncode == 2 and told in refused.stderr
    assert {path.name for path in tmp_path.iterdir()} == {Path(name).parts[0] for name in made}


def test_the_same_seed_goes_on(tmp_path: Path) -> None:
    (tmp_path / "pretrain").mkdir()
    for _ in range(2):  # of a version that knew no seeds, and of this one
        given = ["--stage", "1", "--stop-stage", "0", "--objectives", "hubert", "--seed", "1"]
        check(call(ROOT, *given, "--out", str(tmp_path), environment={"VENV": sys.prefix}))
        assert (tmp_path / ".seed").read_text() == "1\n"
