"""What Weights and Biases gets, from its own package in offline mode (`pip install wandb`)."""

from __future__ import annotations

import importlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Training, check, run

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BLOCK = 32_768
WHOLE, LAST = 1, 4
"""Kinds of a stretch that end a record, in LevelDB's log format, which an offline run is kept in behind seven bytes."""


def records(path: Path) -> Iterator[Any]:
    messages = importlib.import_module("wandb.proto.wandb_internal_pb2")
    data, place, read = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        read += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (WHOLE, LAST):
            yield messages.Record.FromString(read)
            read = b""


def history(found: list[Any]) -> dict[int, dict[str, float]]:
    """What was logged, by update."""
    logged: dict[int, dict[str, float]] = {}
    for record in found:
        values = {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item}
        if values:
            logged.setdefault(int(values["_step"]), {}).update(values)
    return logged


def test_each_run_of_a_multirun_has_its_curves(corpus: Path, tmp_path: Path) -> None:
    """One process, two runs there, each by its folder's name and with the numbers of its own log."""
    pytest.importorskip("wandb")
    study = Training(corpus / "data", tmp_path / "study", "tera")
    more = ("task.budget.flops=null", "task.budget.updates=3", "common.wandb_project=tests", "common.seed=3,5")
    sweep = (f"hydra.sweep.dir={study.folder}", "hydra.sweep.subdir=seed-${common.seed}")
    check(run(["fairseq-hydra-train", "-m", *study.command(*more, *sweep)], tmp_path, WANDB_MODE="offline"))
    for seed in (3, 5):
        training = Training(study.data, study.folder / f"seed-{seed}", "tera")
        [file] = training.folder.rglob("*.wandb")
        found = list(records(file))
        [told] = [record.run for record in found if record.WhichOneof("record_type") == "run"]
        assert (told.display_name, told.project) == (f"seed-{seed}", "tests")
        logged = history(found)
        assert sorted(logged) == [1, 2, 3]
        for line in training.logged("train_inner"):
            at = logged[int(line["num_updates"])]
            for name in ("loss", "flops", "budget_share"):
                assert at[f"train_inner/{name}"] == pytest.approx(line[name], rel=1e-5), name  # the log has six digits
        assert logged[3]["valid/loss"] == training.record["metrics"]["valid_loss"]
