"""`fairseq-budget check` as a command, on generated speech with its labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fairseq_budget.data.manifest import Manifest
from tests.integration.conftest import check, run

pytestmark = pytest.mark.integration


def test_the_generated_corpus_has_no_fault(corpus: Path) -> None:
    printed = check(run(["fairseq-budget", "check", "data", "--json"], corpus)).stdout
    report = json.loads(printed)
    assert set(report["counts"]) <= {"short", "long"}
    assert [split["speakers"] for split in report["splits"].values()] == [4, 2]


def test_a_damaged_file_is_found_and_left_out(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "study")
    folder = tmp_path / "study" / "data"
    for path in folder.glob("*.tsv"):
        path.write_text(path.read_text().replace(str(corpus), str(tmp_path / "study")))
    train = Manifest.read(folder / "train.tsv")
    damaged = train.audio_path(3)
    damaged.write_bytes(damaged.read_bytes()[:-500])
    result = run(["fairseq-budget", "check", "data"], tmp_path / "study")
    assert result.returncode == 1
    assert "error: the file can't be read as audio (1): " in result.stdout
    assert f"    {train.where(3).replace(f'`{train.path}`', 'train.tsv')}: {train.paths[3]}: " in result.stdout
    check(run(["fairseq-budget", "check", "data", "--fix", "clean"], tmp_path / "study"))
    assert Manifest.read(tmp_path / "study" / "clean" / "train.tsv").paths == [*train.paths[:3], *train.paths[4:]]
    check(run(["fairseq-budget", "check", "clean"], tmp_path / "study"))
