"""What is asked for: refused if it cannot work, and what s3prl is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.recipes import recipes_dir
from s3prl_upstreams.sweep import settings
from s3prl_upstreams.sweep.settings import SweepSettings, changes, for_trial, s3prl_settings
from s3prl_upstreams.tasks import TASKS
from tests.unit.s3prl_upstreams.sweep.conftest import override

Plan = Callable[..., SweepSettings]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 0}, "`--steps` must be at least 1, but is 0"),
        ({"workers": -1}, "`--workers` must be at least 0, but is -1"),
        ({"rates": ()}, r"`--lr` must be different numbers above 0, but is \[\]"),
        ({"rates": (1e-2, 0.01)}, r"`--lr` must be different numbers above 0, but is \[0.01, 0.01\]"),
        ({"rates": (0.0,)}, "`--lr` must be different numbers above 0"),
        ({"lstm_precision": "fp16"}, "`--lstm-precision` must be fp32 or bf16, but is fp16"),
        ({"device": "cuda"}, "`--device cuda`, but torch finds no CUDA device"),
        ({"overrides": ["config.optimizer.lr=1"]}, "learning rates are what a sweep goes through, give them with `--lr`"),
        ({"overrides": ["config.runner.log_step"]}, "`-o config.runner.log_step` must be options such as `config.a.b=1`"),
        ({"overrides": ["args.upstream_trainable=True"]}, "give its learning rate with `--upstream-lr`"),
        ({"overrides": ["config.runner.fp16=True"]}, "`runner.fp16` isn't possible here"),
        ({"overrides": ["config.downstream_expert.datarc.batch_size=99"]}, "less than one batch of 99"),
    ],
)
def test_what_cannot_work_is_refused(plan: Plan, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        settings.check(plan("ks", **changed))


def test_halving_needs_a_development_split(plan: Plan) -> None:
    with pytest.raises(ConfigError, match="`--halving` ranks trials on a development split, which `asv` doesn't have"):
        settings.check(plan("asv", halving=True, overrides=[]))


def test_a_missing_corpus_and_a_missing_checkpoint_are_refused(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPERB", "/nowhere")
    with pytest.raises(BudgetError, match="`speech_commands_root` of `-d speech_commands` must be a folder"):
        settings.check(plan("ks"))
    with pytest.raises(BudgetError, match="no checkpoint `none.pt`: give the path of a file such as"):
        settings.tasks(["ks"], Path("out"), "none.pt")
    with pytest.raises(ConfigError, match="unknown task `kws`: choose one of pr, asr"):
        settings.tasks(["kws"], Path("out"), None, upstream="fbank")


def test_what_can_work_is_let_through_and_leaves_nothing_behind(plan: Plan, tmp_path: Path) -> None:
    for task in ("ks", "asr"):
        settings.check(plan(task))
    assert not (tmp_path / "sweep").exists()


def test_overrides_are_for_all_tasks_or_for_one(tmp_path: Path) -> None:
    given = ["config.a=1", "ks:config.b=2", "asr:config.c=3", "config.path='C:x'"]
    ks, sf = settings.tasks(["ks", "sf"], tmp_path, None, given, upstream="fbank")
    assert ks.override == "config.a=1,,config.b=2,,config.path='C:x'"
    assert sf.override == "config.a=1,,config.path='C:x'"
    with pytest.raises(ConfigError, match="unknown task `kws`"):
        settings.tasks(["ks"], tmp_path, None, ["kws:config.b=2"], upstream="fbank")


def test_settings_survive_being_written(plan: Plan) -> None:
    asked = plan(halving=True, workers=2)
    assert settings.from_json(settings.to_json(asked)) == asked


@pytest.mark.parametrize("steps", [1, 7, 30, 100, 5000])
@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.trains])
def test_a_shortened_run_is_evaluated_saved_and_logged_at_its_end(task: str, steps: int) -> None:
    recipe = recipes_dir() / "superb" / TASKS[task].recipe
    official = yaml.safe_load(recipe.read_text())["runner"]
    short = dict(text.removeprefix("config.runner.").split("=") for text in settings._shortened(recipe, steps))
    runner = {key: int(value) for key, value in short.items()}
    assert runner["total_steps"] == steps
    assert all(steps % runner[key] == 0 for key in ("eval_step", "save_step", "log_step"))
    assert steps // runner["eval_step"] <= settings.MOST_EVALUATIONS
    assert 1 <= runner["log_step"] <= official["log_step"]


def test_the_official_recipe_is_known_from_a_changed_one(plan: Plan, tmp_path: Path) -> None:
    official = plan("asr", steps=None, overrides=[], workers=0)
    args, config = s3prl_settings(official, tmp_path)
    assert changes(official, config) == {}
    assert args.mode == "train" and config["runner"]["total_steps"] == 200000
    small = plan("asr", overrides=[override("asr")])
    assert changes(small, s3prl_settings(small, tmp_path)[1]) == {
        "downstream_expert.datarc.batch_size": 4,
        "downstream_expert.modelrc.RNNs.dim": [6, 6],
        "downstream_expert.modelrc.project_dim": 8,
        "runner.eval_step": 2,
        "runner.log_step": 2,
        "runner.save_step": 2,
        "runner.total_steps": 6,
    }


def test_trials_are_evaluated_on_dev_alone_and_read_with_the_asked_processes(plan: Plan, tmp_path: Path) -> None:
    args, config = s3prl_settings(
        plan("ks", overrides=["config.downstream_expert.datarc.batch_size=4"], workers=3), tmp_path
    )
    assert config["runner"]["eval_dataloaders"] == ["dev"]
    assert config["downstream_expert"]["datarc"]["num_workers"] == 3
    own_args, own = for_trial(args, config, tmp_path / "trial", 1e-2)
    assert own["optimizer"]["lr"] == 1e-2 and config["optimizer"]["lr"] == 1e-4
    assert own_args.expdir == str(tmp_path / "trial") and args.expdir == str(tmp_path)
