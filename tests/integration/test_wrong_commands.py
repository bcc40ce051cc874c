"""Mistakes that a newcomer makes with fairseq-hydra-train: one line each, which names what is wrong and what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairseq_budget.recipes import recipes_dir
from tests.integration.conftest import run
from tests.integration.test_mistakes import message

pytestmark = pytest.mark.integration

HERE = ("data=folder", "device=cpu", "task.data={data}")

MISTAKES = {
    "a recipe that isn't there": (
        ["--config-name", "hubertt"],
        "no recipe `hubertt`: give `--config-name` with one of best_rq,",
    ),
    "no recipe": ([], "no recipe is named: add `--config-name` with one of best_rq,"),
    "a group that isn't there": (["sizee=slim"], "this recipe has no setting `sizee`; near it: `size=`"),
    "a size that isn't there": (["size=slimm"], "unknown size `slimm`: choose one of 0.05,"),
    "no size": (["size=null"], "unknown size `null`: choose one of"),
    "an amount as a recipe": (["budget=2e17"], "vaessen; an amount is `task.budget.flops=2e17`"),
    "a key that isn't there": (["optimization.lrr=1"], "has no setting `optimization.lrr`; near it: `optimization.lr`"),
    "a key that nothing reads": (["+foo.bar=1"], "this recipe has no setting `foo.bar`"),
    "a list that is none": (["optimization.lr=fast"], "`optimization.lr` must be a list, such as `[0.001]`, but is `fast`"),
    "text for a whole number": (["task.max_sample_size=long", *HERE], "`task.max_sample_size` must be a whole number"),
    "text for a number": (["model.dropout=a", *HERE], "`model.dropout` must be a number, but is `a`"),
    "text for an amount": (["task.budget.flops=abc", *HERE], "`task.budget.flops` must be a number, but is `abc`"),
    "a folder from where it started": (
        ["data=folder", "device=cpu", "task.data=data"],
        "`task.data=data` is looked for in the run's own folder: give `task.data={data}`",
    ),
    "a folder that isn't there": (["data=folder", "device=cpu", "task.data=/nowhere"], "`task.data`: no folder `/nowhere`"),
    "no folder": (["data=folder", "device=cpu"], "`task.data` is needed: add `task.data=FOLDER`"),
    "manifests that aren't made": (["device=cpu"], "the recipes of LibriSpeech look in `manifests` where the command"),
    "Slurm without -m": (["cluster=slurm", *HERE], "`cluster=slurm` starts the jobs of a multirun: add `-m`"),
    "Slurm that isn't there": (
        ["-m", "cluster=slurm", "size=30,50", *HERE],
        "needs Slurm's `srun`, which isn't on this machine's",
    ),
    "several values without -m": (["size=30,50"], "`size=30,50` has several values: add `-m`"),
    "an optimizer that isn't there": (["optimizer._name=adamm", *HERE], "`optimizer._name` must be adam"),
    "another criterion": (["criterion._name=hubert", *HERE], "`criterion._name` must be budget_pretraining with this task"),
    "a tilde": (["data=folder", "task.data=~/x"], "the shell replaces no ~ inside a word: give task.data=$HOME/x"),
    "half precision on a processor": (["common.fp16=true", *HERE], "train in bfloat16 with `device=cpu_bf16`"),
    "a negative number": (["dataset.num_workers=-1", *HERE], "`dataset.num_workers` must be at least 0, but is -1"),
    "no value": (["task.seed"], "`task.seed` is no setting: give NAME=VALUE"),
    "more ranks than devices": (
        ["distributed_training.distributed_world_size=3", *HERE],
        "`distributed_training.distributed_world_size` is 3, but torch sees",
    ),
}
"""What is given besides `--config-name hubert`, and what is said."""


@pytest.mark.parametrize(("given", "said"), MISTAKES.values(), ids=MISTAKES)
def test_one_line(corpus: Path, tmp_path: Path, given: list[str], said: str) -> None:
    named = [] if "--config-name" in given or not given else ["--config-name", "hubert"]
    folders = [f"hydra.run.dir={tmp_path / 'run'}", f"hydra.sweep.dir={tmp_path / 'runs'}"]
    places = {"data": corpus / "data"}
    command = ["--config-dir", str(recipes_dir()), *named, *(word.format(**places) for word in given), *folders]
    told = run(["fairseq-hydra-train", *command], corpus)
    assert told.returncode == 1
    lines = message(told.stderr).splitlines()
    assert said.format(**places) in lines[-1], lines[-6:]
    assert "HYDRA_FULL_ERROR" not in told.stderr


def test_recipes_that_are_elsewhere(tmp_path: Path) -> None:
    told = run(["fairseq-hydra-train", "--config-dir", "/nowhere", "--config-name", "hubert"], tmp_path)
    assert told.returncode == 1
    assert message(told.stderr).splitlines()[-1].endswith("`fairseq-budget recipes` prints where the recipes lie")
