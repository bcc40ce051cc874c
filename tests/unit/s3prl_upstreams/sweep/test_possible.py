"""What tasks can't do is found before they start: all of it, and for every task."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from s3prl_upstreams.sweep import launch, possible, rows
from s3prl_upstreams.sweep.settings import SweepSettings
from s3prl_upstreams.upstreams.expert import UpstreamExpert

Plan = Callable[..., SweepSettings]


def test_everything_about_every_task_is_found(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3prl.downstream.voxceleb1.expert", None)
    monkeypatch.delenv("VOXCELEB1", raising=False)
    asked = [plan("ks"), plan("sid"), plan("ic", steps=0)]
    able, found = possible.sort_out(asked, bytes_per_second=0.0, free_memory=1)
    assert [settings.task for settings in able] == ["ks"]
    assert [(one.task, one.kind) for one in found] == [("sid", "package"), ("sid", "corpus"), ("ic", "setting")]
    assert "s3prl.downstream.voxceleb1.expert" in found[0].message and "pip install" in found[0].message
    assert "VOXCELEB1" in found[1].message


def test_a_batch_that_no_memory_holds(plan: Plan) -> None:
    """The fixture's batches of KS are four utterances of a second, the recipe's 32."""
    able, [found] = possible.sort_out([plan("ks")], bytes_per_second=1e15, free_memory=10**9)
    assert able == [] and found.kind == "memory"
    assert "of a batch of 4 take 8000000.0 GB and more, and 1.0 GB are free on cpu: choose" in found.message
    _, official = possible.sort_out([plan("ks", overrides=[])], bytes_per_second=1e15, free_memory=10**9)
    assert [one.kind for one in official] == ["corpus", "memory"], "it has fewer files than such a batch, too"
    assert "of a batch of 32 take" in official[1].message
    assert possible.sort_out([plan("ks")], bytes_per_second=1e15, free_memory=None)[1] == []


def test_hidden_states_of_a_second(tiny: Path) -> None:
    assert possible.state_bytes(UpstreamExpert(str(tiny))) == 3 * 49 * 32 * 4


def test_what_can_run_runs_and_what_cannot_has_a_row(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUENT_COMMANDS", raising=False)
    console = Console(file=io.StringIO(), width=200)
    able, refused = launch._possible([plan("ks"), plan("ic")], console)
    assert [settings.task for settings in able] == ["ks"]
    row = refused["ic"]
    assert row["test"] is None and "FLUENT_COMMANDS" in row["error"] and not Path(plan("ic").out).exists()
    assert row.keys() == rows.failed(plan("ic"), "").keys()
    shown = console.file.getvalue()
    assert "what to do" in shown and "FLUENT_COMMANDS" in shown and " ks " not in shown
