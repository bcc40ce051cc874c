"""Records are written with their version, read back as they were, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.errors import BudgetError
from fairseq_budget.records.base import FILE, SCHEMA_VERSION, kind_of
from fairseq_budget.records.downstream import DownstreamRecord
from fairseq_budget.records.pretraining import PretrainingRecord

RUN: dict[str, Any] = {
    "objective": "tera",
    "params": 5_700_000,
    "budget": {"flops": 3e12},
    "spent": {"flops": 3_060_000_000_000, "updates": 12, "device_seconds": 7.5},
    "metrics": {"train_loss": 0.9, "valid_loss": None},
}
ASSETS = Path(__file__).parents[2] / "assets" / "records"


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = PretrainingRecord.of(**RUN, command="fairseq-hydra-train")
    path = written.write(tmp_path / FILE)
    assert PretrainingRecord.read(path) == written
    content = json.loads(path.read_text())
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["spent"] == RUN["spent"], "integers stay integers"
    assert (kind_of(path), written.finished, written.share) == ("pretrain", True, pytest.approx(1.02))


@pytest.mark.parametrize("name", ["pretrain-0.3.1.json", "downstream-0.3.1.json", "sweep-0.3.1.json"])
def test_records_of_0_3_1_are_read(name: str) -> None:
    kind = PretrainingRecord if name.startswith("pretrain") else DownstreamRecord
    record = kind.read(ASSETS / name)
    assert record.schema_version == 1
    assert record.versions["fairseq_budget"] == "0.3.1"
    if isinstance(record, PretrainingRecord):
        assert record.finished and record.spent.updates == 3
        assert {"device_seconds", "device_hours"} <= set(record.amounts_spent)
    else:
        assert (record.task, record.upstream, record.in_units) == ("ks", "fbank", (100.0, "%"))
        assert record.is_trial is False


def refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(BudgetError) as error:
        PretrainingRecord.read(path)
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    return message


def test_a_newer_record_is_refused(tmp_path: Path) -> None:
    newer = {**RUN, "kind": "pretrain", "schema_version": SCHEMA_VERSION + 1}
    assert f"reads up to {SCHEMA_VERSION}: install a newer one" in refused(tmp_path / FILE, json.dumps(newer))


def test_another_kind_is_refused(tmp_path: Path) -> None:
    assert "is 'downstream'; is it in its folder?" in refused(tmp_path / FILE, '{"kind": "downstream"}')


ANYTHING = st.recursive(st.none() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))


@given(ANYTHING)
def test_whatever_is_damaged_is_one_line(tmp_path_factory: pytest.TempPathFactory, damage: Any) -> None:
    path = tmp_path_factory.mktemp("damaged") / FILE
    for key in ("budget", "spent", "params", "objective"):
        refused(path, json.dumps({**RUN, "kind": "pretrain", key: [damage]}))
    refused(path, json.dumps(damage))
