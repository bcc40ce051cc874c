"""The shared pass: a trial ends with what s3prl's runner ends with, whatever shares it and however often it stops."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fairseq_budget.errors import ConfigError
from s3prl_upstreams import scores
from s3prl_upstreams.sweep import protocol, randomness, rows
from s3prl_upstreams.sweep.heads import load_checkpoint
from s3prl_upstreams.sweep.price import price
from s3prl_upstreams.sweep.settings import SweepSettings, check, for_trial, s3prl_settings
from tests.unit.s3prl_upstreams.sweep.conftest import RATES, override, silent

pytestmark = pytest.mark.integration

Plan = Callable[..., SweepSettings]


def separate_run(settings: SweepSettings, rate: float, folder: Path) -> dict[str, Any]:
    """A run of s3prl's own runner, alone, and its last states."""
    args, config = for_trial(*s3prl_settings(settings, folder), folder, rate)
    runner = importlib.import_module("s3prl.downstream.runner")
    plain = runner.SummaryWriter  # or what an evaluation in this process has put in its place
    runner.SummaryWriter = scores.recording(importlib.import_module("tensorboardX").SummaryWriter, folder, None)
    try:
        randomness.seed(args.seed)
        runner.Runner(args, config).train()
    finally:
        runner.SummaryWriter = plain
    return load_checkpoint(folder / "states-6.ckpt")


def assert_same_states(one: dict[str, Any], two: dict[str, Any]) -> None:
    for part in ("Featurizer", "Downstream"):
        assert one[part].keys() == two[part].keys() and one[part]
        for name, value in one[part].items():
            assert torch.equal(value, two[part][name]), f"{part} {name}"
    assert (one["Step"], one["Epoch"]) == (two["Step"], two["Epoch"])


def on_dev(folder: Path) -> list[tuple[str, float, int]]:
    return [(score.metric, score.value, score.step) for score in scores.read(folder) if score.step is not None]


# KS draws its batches from weights; ASR has dropout and SpecAugment
@pytest.mark.parametrize("task", ["ks", "asr"])
def test_a_trial_equals_a_separate_run_bit_for_bit(plan: Plan, tmp_path: Path, task: str) -> None:
    settings = plan(task, pool=False)
    protocol.sweep_task(settings, silent)
    for rate in RATES:
        folder = settings.trial_folder(rate)
        alone = separate_run(settings, rate, tmp_path / f"alone-{rate}")
        assert_same_states(alone, load_checkpoint(folder / "states-6.ckpt"))
        assert on_dev(folder) == on_dev(tmp_path / f"alone-{rate}") != []
    finals = [load_checkpoint(settings.trial_folder(rate) / "states-6.ckpt") for rate in RATES]
    assert not torch.equal(*(states["Downstream"]["projector.weight"] for states in finals))


@pytest.mark.parametrize("store", [{}, {"cache": "fp32"}], ids=["without a store", "with a store"])
def test_a_head_on_means_ends_as_on_frames_up_to_rounding(plan: Plan, tmp_path: Path, store: dict[str, str]) -> None:
    settings, place = plan(rates=(1e-3,), **store), {"cache_dir": str(tmp_path / "store")} if store else {}
    protocol.sweep_task(dataclasses.replace(settings, **place), silent)
    frames = plan("ks", "frames", rates=(1e-3,), pool=False)
    protocol.sweep_task(frames, silent)
    ends = [load_checkpoint(one.trial_folder(1e-3) / "states-6.ckpt") for one in (settings, frames)]
    for part in ("Featurizer", "Downstream"):
        for name, value in ends[0][part].items():
            torch.testing.assert_close(value, ends[1][part][name], atol=1e-3, rtol=1e-2)
    assert table(settings)[0] == table(frames)[0]
    spent = [rows.read(one)["spent"]["head_flops"] for one in (settings, frames)]
    assert spent[0] < spent[1] / 10


def test_an_upstream_that_learns_does_so_as_in_s3prls_runner(plan: Plan, tmp_path: Path) -> None:
    """s3prl's `-f` has one learning rate for all: with the same for both, both end alike."""
    settings = plan(rates=(1e-3,), upstream_rate=1e-3)
    protocol.sweep_task(settings, silent)
    states = load_checkpoint(settings.trial_folder(1e-3) / "states-6.ckpt")
    alone = separate_run(settings, 1e-3, tmp_path / "alone")
    assert_same_states(alone, states)
    first = states["Upstream"]["model.encoder.layers.0.fc1.weight"]
    assert torch.equal(alone["Upstream"]["model.encoder.layers.0.fc1.weight"], first)
    row, spent = rows.read(settings), rows.read(settings)["spent"]
    assert (row["unfrozen"], row["upstream_lr"], row["sweep"]["changed"]["upstream_lr"]) == (True, 1e-3, 1e-3)
    frozen = plan("ks", "frozen", rates=(1e-3,), pool=False)
    protocol.sweep_task(frozen, silent)
    once = rows.read(frozen)["spent"]
    assert once["upstream_flops"] < spent["upstream_flops"] < 3 * once["upstream_flops"], "evaluation runs forward only"
    assert once["head_flops"] == spent["head_flops"]


def test_every_trial_trains_an_upstream_of_its_own(plan: Plan) -> None:
    settings = plan(upstream_rate=1e-4)
    protocol.sweep_task(settings, silent)
    states = [load_checkpoint(settings.trial_folder(rate) / "states-6.ckpt")["Upstream"] for rate in RATES]
    name = "model.encoder.layers.0.fc1.weight"
    assert not torch.equal(states[0][name], states[1][name])
    planned = price(settings)
    assert planned.upstream_flops == pytest.approx(rows.read(settings)["spent"]["upstream_flops"], rel=0.25)
    assert planned.store == "off" and planned.upstream_flops_with_store is None


@pytest.mark.parametrize(
    ("task", "changes", "told"),
    [
        ("qbe", {}, "trains nothing"),
        ("ks", {"upstream": "fbank"}, "`fbank` can't be copied"),
        ("ks", {"cache": "fp32"}, "don't stay the same"),
        ("ks", {"upstream_rate": 0.0}, "must be a number above 0"),
    ],
)
def test_what_an_upstream_that_learns_cannot_have(plan: Plan, task: str, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check(plan(task, **{"upstream_rate": 1e-4, **changes}))


def test_accumulated_batches_and_an_upstream_without_layers(plan: Plan, tmp_path: Path) -> None:
    settings = plan(upstream="fbank", pool=False, overrides=[override("ks"), "config.runner.gradient_accumulate_steps=2"])
    protocol.sweep_task(settings, silent)
    alone = separate_run(settings, 1e-3, tmp_path / "alone")
    states = load_checkpoint(settings.trial_folder(1e-3) / "states-6.ckpt")
    assert states["Epoch"] == 3 and not states["Featurizer"]
    assert torch.equal(alone["Downstream"]["projector.weight"], states["Downstream"]["projector.weight"])


def table(settings: SweepSettings) -> list[Any]:
    """What a reader of the records sees, without the time it took."""
    row = rows.read(settings)
    assert row is not None
    keys = ("lr", "dev", "test", "step", "selected_by", "error", "dropped_at", "chosen")
    return [[row[key] for key in ("lr", "dev", "test", "step", "scores", "steps")]] + [
        [trial[key] for key in keys] for trial in row["cells"]
    ]


class Killed(Exception):
    """Stands for the end of the process: nothing after it runs."""


def stop_after(reports: int) -> Callable[[str, int, int], None]:
    left = iter(range(reports))

    def report(stage: str, done: int, of: int) -> None:
        if next(left, None) is None:
            raise Killed

    return report


@pytest.mark.parametrize("task", ["ks", "asr"])
def test_an_interrupted_sweep_ends_like_one_without_interruption(plan: Plan, task: str) -> None:
    """Stopped in the middle of an epoch, of an evaluation and of the test, and right behind a snapshot."""
    whole, broken = plan(task, "whole"), plan(task, "broken")
    protocol.sweep_task(whole, silent)
    stopped = []
    for reports in (1, 3, 5, 6, 7, 8, 9):
        try:
            protocol.sweep_task(broken, stop_after(reports))
            break
        except Killed:
            stopped.append(rows.read(broken))
    assert len(stopped) >= 3 and stopped[-1] is None
    assert table(broken) == table(whole)
    for rate in RATES:
        paths = [settings.trial_folder(rate) / "states-6.ckpt" for settings in (whole, broken)]
        assert_same_states(*map(load_checkpoint, paths))


def test_a_finished_sweep_can_be_told_again_and_widened(plan: Plan) -> None:
    settings = plan()
    protocol.sweep_task(settings, silent)
    before = table(settings)
    states = settings.trial_folder(1e-3) / "states-6.ckpt"
    written = states.stat().st_mtime_ns
    protocol.sweep_task(settings, silent)
    assert table(settings) == before and states.stat().st_mtime_ns == written
    wider = plan(rates=(1e-2, *RATES))
    protocol.sweep_task(wider, silent)
    assert states.stat().st_mtime_ns == written
    assert [trial["lr"] for trial in rows.read(wider)["cells"]] == [1e-2, *RATES]
    everything = plan("ks", "at-once", rates=(1e-2, *RATES))
    protocol.sweep_task(everything, silent)
    assert table(wider) == table(everything)


def test_a_trial_that_fails_leaves_the_others_alone(plan: Plan) -> None:
    settings, clean = plan("ks", "broken"), plan("ks", "clean", rates=(1e-3,))
    # the expert of this trial cannot write its log
    (settings.trial_folder(1e-1) / "log.log").mkdir(parents=True)
    protocol.sweep_task(settings, silent)
    protocol.sweep_task(clean, silent)
    failed, good = rows.read(settings)["cells"]
    assert failed["error"].startswith("IsADirectoryError") and not failed["chosen"] and failed["test"] is None
    assert good["chosen"] and good["error"] is None
    assert table(settings)[0] == table(clean)[0]
    paths = [one.trial_folder(1e-3) / "states-6.ckpt" for one in (settings, clean)]
    assert_same_states(*map(load_checkpoint, paths))
    row = json.loads((settings.trial_folder(1e-1) / "record.json").read_text())
    assert row["kind"] == "downstream" and row["error"] == failed["error"] and row["dev"] is None


def test_halving_gives_trials_up_and_says_so(plan: Plan) -> None:
    settings = plan(rates=(1e-1, 1e-2, 1e-3, 1e-4), halving=True, steps=10)
    protocol.sweep_task(settings, silent)
    row = rows.read(settings)
    assert row["sweep"]["halving"] and not row["sweep"]["official"]
    assert sorted(trial["dropped_at"] or 0 for trial in row["cells"]) == [0, 4, 4, 6]
    (kept,) = (trial for trial in row["cells"] if trial["dropped_at"] is None)
    assert kept["chosen"] and kept["lr"] == row["lr"]
    assert [trial for trial in row["cells"] if trial["test"] is not None] == [kept]


def test_the_test_split_is_read_once_and_only_for_the_chosen_trial(plan: Plan) -> None:
    settings = plan()
    seen = []
    protocol.sweep_task(settings, lambda stage, done, of: seen.append((stage, done, of)))
    assert [entry for entry in seen if entry[0] == "test"] == [("test", 1, 1)]
    row = rows.read(settings)
    by_rate = {rate: [s for s in scores.read(settings.trial_folder(rate)) if s.split == "test"] for rate in RATES}
    assert [rate for rate in RATES if by_rate[rate]] == [row["lr"]]
    assert {score.checkpoint for score in by_rate[row["lr"]]} == {"dev-best.ckpt"}
    assert row["test"] == next(score.value for score in by_rate[row["lr"]] if score.metric == "acc")


def test_the_record_says_what_was_done_and_spent(plan: Plan, tiny: Path) -> None:
    settings = plan()
    protocol.sweep_task(settings, silent)
    row = rows.read(settings)
    assert (row["kind"], row["task"], row["metric"], row["higher_is_better"]) == ("downstream", "ks", "acc", True)
    assert (row["factor"], row["unit"]) == (100.0, "%")
    assert (row["upstream"], row["objective"], row["checkpoint"]) == ("budget_local", "hubert", str(tiny))
    assert row["steps"] == 6 and row["step"] in (2, 4, 6) and row["scores"] == {"KS_ACC": 100 * row["test"]}
    changed = row["sweep"]["changed"]
    assert changed["runner.total_steps"] == 6 and changed["downstream_expert.datarc.batch_size"] == 4
    assert row["sweep"]["selected_on"] == "dev" and not row["sweep"]["official"]
    for kind in ("upstream_flops", "head_flops"):
        assert row["spent"][kind] == sum(trial["spent"][kind] for trial in row["cells"]) > 0


def test_two_trials_cost_one_pass_of_the_upstream(plan: Plan) -> None:
    both, one = plan("ks", "both"), plan("ks", "one", rates=(1e-3,))
    for settings in (both, one):
        protocol.sweep_task(settings, silent)
    spent, alone = rows.read(both)["spent"], rows.read(one)["spent"]
    assert spent["upstream_flops"] == alone["upstream_flops"]
    assert 1.5 * alone["head_flops"] < spent["head_flops"] < 2 * alone["head_flops"]  # only one is tested
