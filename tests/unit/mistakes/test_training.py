"""A newcomer's mistakes with fairseq-hydra-train: each is one line that names the right thing.

Composed by Hydra and handed to fairseq's own command in this process; what goes through the whole command is in
`tests/integration/test_mistakes.py`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from fairseq.dataclass.initialize import hydra_init
from fairseq_cli import hydra_train
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict, read_write

import fairseq_budget.plugin  # noqa: F401 - as `common.user_dir` imports it
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.mistakes.reporting import line_of
from fairseq_budget.recipes import recipes_dir

GIVEN = ("device=cpu", "budget=demo", "data=folder")
RECIPES = "give `--config-name` with one of best_rq, finetune, hubert"

SETTINGS = [
    # names
    ("size=slimm", f"unknown size `slimm`: choose one of {', '.join(sorted(SIZES))}"),
    ("size=Slim", "unknown size `Slim`: choose one of"),
    ("size=", "unknown size ``: choose one of"),
    ("size=null", "unknown size `null`: choose one of"),
    ("sizes=slim", "no setting `sizes`; near it: `size=`"),
    ("Size=slim", "no setting `Size`; near it: `size=`"),
    ("budget=papers", "unknown budget `papers`: choose one of custom, demo"),
    ("budget=2e17", "an amount is `task.budget.flops=2e17`"),
    ("+budget=paper", "`budget` is chosen by the recipe already: leave out the +"),
    ("device=gpu", "unknown device `gpu`: choose one of cpu, cpu_bf16"),
    ("data=librispeech", "unknown data `librispeech`: choose one of folder, librispeech_100h"),
    ("frontend=mfcc", "unknown frontend `mfcc`: choose one of conv, mel"),
    ("model=slim", "`model` isn't chosen by name: set one of its settings"),
    ("hydra/launcher=slurm", "unknown hydra/launcher `slurm`: choose one of basic, joblib"),
    ("task.dat=x", "no setting `task.dat`; near it: `task.data`"),
    ("+task.dat=x", "the task `budget_hubert_pretraining` has no setting `task.dat`, but `task.data`"),
    ("+taks.data=x", "no setting `taks.data`; near it: `task.data`"),
    ("lr=0.1", "no setting `lr`; near it: `optimization.lr`"),
    ("flops=1e18", "no setting `flops`; near it: `task.budget.flops`"),
    ("budget.flops=1e18", "no setting `budget.flops`; near it: `task.budget.flops`"),
    ("task.budget.hours=10", "near it: `task.budget.hours_heard`"),
    ("model.mel_bands=80", "`+model.mel_bands=...`"),
    ("hydra.run.dirs=x", "no setting `hydra.run.dirs`; near it: `hydra.run.dir`"),
    ("hydra.launcher.partition=gpu", "Slurm's settings need `cluster=slurm`, and `-m`"),
    ("lr_scheduler._name=cosinus", "unknown lr_scheduler `cosinus`: `lr_scheduler._name` must be cosine"),
    ("lr_scheduler._name=cosine", "the lr_scheduler `cosine` has no setting `lr_scheduler.warmup_share`, but"),
    ("optimizer._name=adamm", "unknown optimizer `adamm`: `optimizer._name` must be adam"),
    ("criterion._name=x", "unknown criterion `x`: `criterion._name` must be budget_pretraining"),
    ("criterion._name=hubert", "`criterion._name` must be budget_pretraining with this task, but is `hubert`"),
    ("task._name=x", "unknown task `x`: `task._name` must be budget_best_rq_pretraining or"),
    ("model._name=hubert_base", "no model called `hubert_base` is known here: expected one of budget_hubert"),
    # kinds of values
    ("common.seed=x", "`common.seed` must be a whole number, but is `x`"),
    ("optimization.lr=0.001", "`optimization.lr` must be a list, such as `[0.001]`, but is `0.001`"),
    ("optimization.lr=[abc]", "`optimization.lr` must be a number, but is `[abc]`"),
    ("model.encoder_layers=two", "`model.encoder_layers` must be a whole number, but is `two`"),
    ("task.padding=perhaps", "`task.padding` must be true or false, but is `perhaps`"),
    ("task.budget=1e18", "`task.budget` has settings of its own"),
    ("task.budget.updates=many", "`task.budget.updates` must be a number, but is `many`"),
    ("common.ddp_backend=x", "near it: `distributed_training.ddp_backend`"),
    ("distributed_training.ddp_backend=x", "`distributed_training.ddp_backend` must be one of"),
    ("dataset.num_workers=-1", "`dataset.num_workers` must be at least 0, but is -1"),
    ("task.checkpoints=-1", "`task.checkpoints` must be at least 0, but is -1"),
    # how they are written
    ("size", "`size` is no setting: give NAME=VALUE"),
    ("size=30,50", "`size=30,50` has several values: add `-m`"),
    ("task.data=~/data", "give task.data=$HOME/data"),
    ("task.data=/a(b)", "put the value into two pairs of quotes, 'task.data=\"/a(b)\"'"),
    # folders, workers
    ("task.data=", "`task.data` is needed: add `task.data=FOLDER`"),
    ("task.data=/nowhere", "`task.data`: no folder `/nowhere`: make it with `fairseq-budget manifest`"),
    ("distributed_training.distributed_world_size=99", "but torch sees"),
]


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(cfg: Any) -> None:
        pytest.fail("the mistake went unnoticed")

    monkeypatch.setattr(hydra_train, "pre_main", train)
    monkeypatch.delenv("FAIRSEQ_BUDGET_MANIFESTS", raising=False)


def told(recipe: str, *overrides: str, folder: Path | None = None) -> str:
    """What the command says."""
    GlobalHydra.instance().clear()
    hydra_init(recipe)
    with pytest.raises(Exception) as caught:  # noqa: B017, PT011 - whatever it is, a line has to come of it
        with initialize_config_dir(str(folder or recipes_dir()), version_base="1.1"):
            cfg = compose(recipe, overrides=list(overrides), return_hydra_config=True)
            with open_dict(cfg.hydra), read_write(cfg.hydra):
                cfg.hydra.runtime.output_dir = "."
            HydraConfig.instance().set_config(cfg)
            own = copy.deepcopy(cfg)
            OmegaConf.set_struct(own, False)
            del own["hydra"]
            OmegaConf.set_struct(own, True)
            hydra_train._hydra_main(own)
    ConfigStore.instance().repo.pop(f"{recipe}.yaml")  # fairseq's defaults by that name
    line = line_of(caught.value)
    assert line is not None, repr(caught.value)
    assert "\n" not in line and "Set the environment variable" not in line
    return line


@pytest.mark.parametrize(("override", "line"), SETTINGS, ids=[override for override, _ in SETTINGS])
def test_a_wrong_setting(override: str, line: str, tmp_path: Path) -> None:
    assert line in told("hubert", *GIVEN, f"task.data={tmp_path}", override)


def test_a_folder_relative_to_where_the_command_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    check = f"`task.data=data` is looked for in the run's own folder: give `task.data={tmp_path / 'data'}`"
    original = hydra_train._hydra_main

    def in_the_runs_folder(cfg: Any) -> Any:
        monkeypatch.chdir(tmp_path / "run")  # as Hydra does
        return original(cfg)

    monkeypatch.setattr(hydra_train, "_hydra_main", in_the_runs_folder)
    assert check in told("hubert", *GIVEN, "task.data=data")


def test_data_that_nobody_named() -> None:
    assert "`task.data` is needed" in told("hubert", *GIVEN)


def test_data_that_isnt_where_the_command_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = told("hubert", *GIVEN, "data=librispeech_960h")
    assert f"no folder `{tmp_path}/manifests/librispeech_960h`" in line and "in $FAIRSEQ_BUDGET_MANIFESTS" in line


@pytest.mark.parametrize("recipe", ["huberts", "Hubert", "wav2vec", "base"])
def test_a_recipe_that_isnt_there(recipe: str) -> None:
    assert f"no recipe `{recipe}`: {RECIPES}" in told(recipe, "size=30")


def test_no_recipe_is_named() -> None:
    assert "no recipe is named: add `--config-name` with one of best_rq" in told("config", "size=30")


def test_another_folder_of_recipes(tmp_path: Path) -> None:
    assert f"no recipe `hubert`: give `--config-dir {recipes_dir()}`" in told("hubert", folder=tmp_path)
