"""``fairseq-budget cache``: what the store holds, and nothing after it was cleared."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from fairseq_budget.cli import app
from s3prl_upstreams.store import folder
from s3prl_upstreams.store.folder import Store


def told(*words: str) -> str:
    result = CliRunner().invoke(app, ["cache", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_store_is_told_and_cleared(tmp_path: Path) -> None:
    place = ["--cache-dir", str(tmp_path / "store")]
    assert told("stat", *place) == f"{tmp_path / 'store'}: 0 utterances, 0.0 GiB\n"
    store = Store(tmp_path / "store")
    for number in range(2):
        store.put(hashlib.sha256(bytes([number])).hexdigest(), np.zeros((3, 5, 8), np.float32))
    os.utime(min(file.path for file in folder.files(store.folder)), (86400, 86400))
    found = json.loads(told("stat", "--json", *place))
    assert (found["folder"], found["utterances"], found["bytes"]) == (str(store.folder), 2, 2 * (64 + 480))
    assert found["oldest_use"].startswith("1970-01-0") and "the one used least recently: 1970-01-0" in told("stat", *place)
    assert told("clear", *place).endswith(" GiB removed\n") and folder.files(store.folder) == []


def test_the_folder_may_come_from_the_environment(tmp_path: Path) -> None:
    result = CliRunner(env={folder.VARIABLE: str(tmp_path)}).invoke(app, ["cache", "stat"])
    assert result.output.startswith(f"{tmp_path}: 0 utterances")
