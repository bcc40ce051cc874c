"""A sweep with a store of hidden states: the same table for fewer FLOPs, whatever happens to it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fairseq_budget.errors import BudgetError, ConfigError
from s3prl_upstreams.store import folder
from s3prl_upstreams.store.use import LOGGER
from s3prl_upstreams.sweep import launch, protocol, rows
from s3prl_upstreams.sweep.settings import SweepSettings, changes, check, from_json, s3prl_settings, to_json
from s3prl_upstreams.sweep.worker import Notes
from tests.unit.s3prl_upstreams.sweep.conftest import silent
from tests.unit.s3prl_upstreams.sweep.test_training import table

pytestmark = pytest.mark.integration

Plan = Callable[..., SweepSettings]


def swept(settings: SweepSettings) -> dict[str, Any]:
    protocol.sweep_task(settings, silent)
    row = rows.read(settings)
    assert row is not None
    return row


# ASR has dropout, SpecAugment and batches that its dataset makes; KS has random crops of noise
@pytest.mark.parametrize("task", ["ks", "asr"])
def test_scores_are_equal_and_the_upstream_is_run_less(plan: Plan, tmp_path: Path, task: str) -> None:
    stored = {"cache": "fp32", "cache_dir": str(tmp_path / "store")}
    settings = [plan(task, name, steps=12, **more) for name, more in (("off", {}), ("one", stored), ("two", stored))]
    without, first, second = (swept(one) for one in settings)
    assert table(settings[0])[0] == table(settings[1])[0] == table(settings[2])[0]
    flops = [row["spent"]["upstream_flops"] for row in (without, first, second)]
    assert flops[0] > 2 * flops[1] > 2 * flops[2] and all(
        row["sweep"]["changed"] == first["sweep"]["changed"] for row in (without, second)
    )


def test_a_damaged_store_gives_the_same_table(plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stored = {"cache": "fp32", "cache_dir": str(tmp_path / "store")}
    whole, again = plan("ks", "whole", **stored), plan("ks", "again", **stored)
    swept(whole)
    damaged = [file.path for file in folder.files(tmp_path / "store")][:10]
    for number, path in enumerate(damaged):
        content = bytearray(path.read_bytes())
        content[64 + number * len(content) // 11] ^= 0x10
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        swept(again)
    assert table(again)[0] == table(whole)[0]
    told = [path for path in damaged if f"`{path}` is damaged (its checksum differs)" in caplog.text]
    assert len(told) >= 8, "all but the crops of noise are met again"


def test_what_is_kept_of_settings(plan: Plan) -> None:
    half = plan(cache="fp16", cache_gib=2.5, cache_dir="x")
    assert from_json(to_json(half)) == half and half.store.limit == int(2.5 * folder.GIB)
    args, config = s3prl_settings(half, half.folder)
    assert changes(half, config)["hidden_states"] == "fp16"
    with pytest.raises(ConfigError, match="unknown --cache `fp8`: choose one of auto, fp32, fp16, off"):
        check(plan(cache="fp8"))
    with pytest.raises(ConfigError, match="`--cache-gib` must be above 0, but is -1"):
        check(plan(cache_gib=-1.0))


def test_a_folder_of_rounded_features_stays_one(plan: Plan) -> None:
    before = plan(cache="auto")
    before.folder.mkdir(parents=True)
    (before.folder / launch.SETTINGS).write_text(to_json(before))
    launch.refuse_other_settings(plan(cache="off"))
    with pytest.raises(BudgetError, match="was begun with `hidden_states` fp32, and now it is fp16"):
        launch.refuse_other_settings(plan(cache="fp16"))


def test_filter_banks_have_no_store(plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    banks = {"upstream": "fbank", "cache_dir": str(tmp_path / "store")}
    with caplog.at_level(logging.WARNING):
        swept(plan(folder="auto", cache="auto", **banks))
    assert "hidden states aren't stored: this upstream isn't known to give an utterance the same" in caplog.text
    assert not (tmp_path / "store").exists()
    with pytest.raises(ConfigError, match="`--cache fp32`, but this upstream isn't known to give"):
        swept(plan(folder="asked", cache="fp32", **banks))


def test_the_caller_is_told_each_line_once() -> None:
    class Told(list[dict[str, Any]]):
        def tell(self, **values: Any) -> None:
            self.append(values)

    reporter = Told()
    handler = Notes(reporter)  # type: ignore[arg-type]
    LOGGER.addHandler(handler)
    try:
        for line in ("stored", "stored", "damaged"):
            LOGGER.warning(line)
    finally:
        LOGGER.removeHandler(handler)
    assert reporter == [{"note": "stored"}, {"note": "damaged"}]
    console = Console(file=io.StringIO())
    with launch.Progress(console=console, disable=True) as progress:
        launch._told({"note": "stored"}, progress, progress.add_task("ks", total=None, left="", tenth=0), "ks")
    assert console.file.getvalue() == "ks: stored\n"
