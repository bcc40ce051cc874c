"""What a plan says of a task is what its run has spent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from s3prl_upstreams.sweep import protocol, rows
from s3prl_upstreams.sweep.price import price
from s3prl_upstreams.sweep.settings import SweepSettings
from tests.unit.s3prl_upstreams.sweep.conftest import silent

pytestmark = pytest.mark.integration

Plan = Callable[..., SweepSettings]


# KS draws its utterances at random, and fifteen draws stand for all
@pytest.mark.parametrize(("task", "tolerance"), [("ks", 0.15), ("asr", 0.02)])
def test_a_plan_is_what_is_spent(plan: Plan, tmp_path: Path, task: str, tolerance: float) -> None:
    store = {"cache": "fp32", "cache_dir": str(tmp_path / "store")}
    planned = price(plan(task, steps=24, **store))
    spent = []
    for settings in (plan(task, "off", steps=24), plan(task, "fp32", steps=24, **store)):
        protocol.sweep_task(settings, silent)
        row = rows.read(settings)
        assert row is not None and not row["error"]
        spent.append(row["spent"])
    assert planned.upstream_flops == pytest.approx(spent[0]["upstream_flops"], rel=tolerance)
    assert planned.head_flops == pytest.approx(spent[0]["head_flops"], rel=tolerance)
    if task == "ks":  # ASR's sentences are the same for training and for evaluation here, and are computed once
        assert planned.upstream_flops_with_store == pytest.approx(spent[1]["upstream_flops"], rel=0.25)
    assert sum(file.stat().st_size for file in (tmp_path / "store").rglob("*.states")) < 2 * planned.store_bytes


def test_a_plan_of_what_cannot_have_a_store(plan: Plan) -> None:
    planned = price(plan(upstream="fbank", cache="auto"), flops_per_second=1e9)
    assert (planned.upstream_flops, planned.upstream_flops_with_store, planned.store) == (0, None, "off")
    assert planned.device_seconds == pytest.approx(planned.head_flops / 1e9) and planned.device_seconds_with_store is None
