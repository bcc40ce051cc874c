"""s3prl's own runner with a store."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairseq_budget.errors import ConfigError
from s3prl_upstreams import record
from s3prl_upstreams.host.stored import take_options, with_options
from s3prl_upstreams.store import folder
from s3prl_upstreams.store.decision import Options
from s3prl_upstreams.store.upstream import StoredUpstream
from s3prl_upstreams.sweep import randomness
from s3prl_upstreams.sweep.heads import load_checkpoint
from s3prl_upstreams.sweep.settings import SweepSettings, for_trial, s3prl_settings
from tests.unit.s3prl_upstreams.sweep.conftest import corpora, plan

__all__ = ["corpora", "plan"]

Plan = Callable[..., SweepSettings]


def test_options_are_taken_out_of_the_command_line() -> None:
    words = ["-m", "train", "--cache", "fp16", "--cache-gib", "3.5", "--cache-dir", "x", "--cache_dir", "torch's"]
    assert take_options(words) == (Options("fp16", 3.5, "x"), ["-m", "train", "--cache_dir", "torch's"])
    assert take_options(["-m", "train"]) == (Options(), ["-m", "train"])
    with pytest.raises(ConfigError, match="`--cache-gib` must be above 0"):
        take_options(["--cache-gib", "0"])


def run(settings: SweepSettings, options: Options, place: Path, **changes: Any) -> Any:
    args, config = for_trial(*s3prl_settings(settings, place), place, 1e-3)
    vars(args).update(changes)
    runner = with_options(importlib.import_module("s3prl.downstream.runner").Runner, options)
    randomness.seed(args.seed)
    return runner(args, config)


def test_a_training_ends_as_without_and_computes_less(plan: Plan, tmp_path: Path) -> None:
    scores = []
    for mode in ("off", "fp32"):
        made = run(plan(steps=6), Options(mode, folder=str(tmp_path / "store")), tmp_path / mode)
        assert isinstance(made.upstream.model, StoredUpstream) is (mode == "fp32")
        made.train()
        states = load_checkpoint(tmp_path / mode / "states-6.ckpt")
        scores.append((tmp_path / mode / "log.log").read_text())
        assert set(states) >= {"Featurizer", "Downstream"} and "Upstream" not in states
    assert scores[0] == scores[1] and folder.files(tmp_path / "store")


@pytest.mark.parametrize(
    ("mode", "changes"),
    [("fp32", {"upstream_trainable": True}), ("auto", {"mode": "evaluate"}), ("fp32", {"mode": "inference"})],
)
def test_runs_without_a_store(plan: Plan, tmp_path: Path, mode: str, changes: dict[str, Any]) -> None:
    made = run(plan(), Options(mode, folder=str(tmp_path / "store")), tmp_path / "out", **changes)
    assert not isinstance(made.upstream.model, StoredUpstream) and not (tmp_path / "store").exists()


def test_an_evaluation_has_one_if_it_is_wanted(plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        made = run(
            plan(), Options("fp16", folder=str(tmp_path / "store")), tmp_path / "out", mode="evaluate", evaluate_split="dev"
        )
    assert isinstance(made.upstream.model, StoredUpstream) and "(fp16, " in caplog.text
    assert "6 utterances are heard 1.0 times" in caplog.text
    assert record.mark(made.config) == {"hidden_states": "fp16"}, "a score made so says so"
