"""Every task of SUPERB on its miniature corpus: prepared, trained for two steps, evaluated and scored by s3prl's experts."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairseq_budget.recipes import recipes_dir
from s3prl_upstreams import scores
from s3prl_upstreams.tasks import TASKS, Task, get_task
from tests.common import save_untrained

from .conftest import run

QUICK = ("pr", "sd", "qbe")
"""Run with every test run; the others by `./run.sh test --all`."""

RUNNER = {"total_steps": 2, "eval_step": 1, "save_step": 1, "log_step": 1, "gradient_accumulate_steps": 1, "max_keep": 2}
CTC = {"corpus.num_workers": 0, "corpus.batch_size": 2}
SMALL_RNN = {"project_dim": 16, "RNNs.dim": [16, 16]}


def under(key: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{key}.{name}": value for name, value in values.items()}


TOYS: dict[str, dict[str, Any]] = {
    "pr": CTC,
    "asr": {"datarc.num_workers": 0, "datarc.batch_size": 2, **under("modelrc", SMALL_RNN)},
    "asr_zh": {**CTC, **under("model", SMALL_RNN)},
    "ks": {"datarc.num_workers": 0, "datarc.batch_size": 4},
    "ks35": {"datarc.num_workers": 0, "datarc.batch_size": 4},
    "ic": {"datarc.num_workers": 0, "datarc.train_batch_size": 2},
    "sf": {**CTC, **under("model", SMALL_RNN)},
    "sid": {"datarc.num_workers": 0, "datarc.train_batch_size": 2},
    "asv": {
        "datarc.num_workers": 0,
        "datarc.train_batch_size": 2,
        "modelrc.input_dim": 16,
        "modelrc.module_config.XVector.agg_dim": 24,
    },
    "sd": {"loaderrc.num_workers": 0, "loaderrc.train_batchsize": 2, "modelrc.hidden_size": 16},
    "er": {"datarc.num_workers": 0, "datarc.train_batch_size": 2},
    "qbe": {"datarc.num_workers": 0, "max_workers": 1},
    "keywords": {"datarc.num_workers": 0, "datarc.batch_size": 4},
    "speakers": {"datarc.num_workers": 0, "datarc.train_batch_size": 2},
}
"""What makes a run of each task small, under ``downstream_expert``."""

NEEDS = {"sd": "pyannote", "qbe": "dtw"}


def overrides(task: Task) -> str:
    """s3prl's ``-o``."""
    values = under("config.downstream_expert", TOYS[task.name])
    if task.trains:
        values |= under("config.runner", RUNNER)
    return ",,".join(f"{key}={value}" for key, value in values.items())


@pytest.fixture(scope="session")
def corpora(miniatures: Callable[..., Path]) -> Callable[[str], Path]:
    """The folder of the miniature corpora, with that of a task in it."""
    return miniatures


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained HuBERT, as fairseq saves it."""
    shape = {"encoder_layers": 2, "encoder_embed_dim": 32, "encoder_ffn_embed_dim": 48, "encoder_attention_heads": 4}
    convolutions = "[(24,10,5)] + [(24,3,2)] * 4 + [(24,2,2)] * 2"
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint_last.pt"
    return save_untrained(path, "hubert", conv_feature_layers=convolutions, **shape)


class Launcher:
    """s3prl's launcher for one task, in processes of their own."""

    def __init__(self, task: Task, corpora: Path, checkpoint: Path, folder: Path) -> None:
        self.task, self.corpora, self.checkpoint, self.folder = task, corpora, checkpoint, folder

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "s3prl_upstreams.run_downstream", *words, "--device", "cpu"]
        answer = run(command, self.folder.parent, SUPERB=str(self.corpora), OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
        assert answer.returncode == 0, f"{words}\n{answer.stdout[-2000:]}\n{answer.stderr[-3000:]}"
        return answer

    def new(self, mode: str, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A run with the recipe and our upstream."""
        recipe = recipes_dir() / "superb" / self.task.recipe
        upstream = ["-u", "budget_local", "-k", str(self.checkpoint)]
        place = ["-d", self.task.downstream, "-c", str(recipe), "-p", str(folder or self.folder), "-o", overrides(self.task)]
        return self("-m", mode, *place, *upstream, *words)

    def evaluate(self, path: Path) -> subprocess.CompletedProcess[str]:
        """The task's test of a checkpoint."""
        return self("-m", "evaluate", "-e", str(path), "-t", self.task.test_split)


@pytest.fixture
def launcher(request: pytest.FixtureRequest, corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path) -> Launcher:
    """Parametrized by the name of a task."""
    name = request.param
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} isn't installed")
    return Launcher(get_task(name), corpora(name), checkpoint, tmp_path / "exp")


def package_files() -> set[Path]:
    """Hidden folders in s3prl's package: where it keeps lists of one corpus for all."""
    spec = importlib.util.find_spec("s3prl")
    assert spec is not None and spec.origin is not None
    return set((Path(spec.origin).parent / "downstream").glob("*/.*"))


TRAINED = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name, task in TASKS.items() if task.trains
]


@pytest.mark.integration
@pytest.mark.parametrize("launcher", TRAINED, indirect=True)
def test_a_task_is_trained_evaluated_and_scored(launcher: Launcher) -> None:
    task, folder, before = launcher.task, launcher.folder, package_files()
    launcher.new("train")
    found = scores.read(folder)
    if task.selection is not None:
        metrics = {(score.split, score.metric, score.step) for score in found}
        assert {(task.selection.split, task.selection.metric, step) for step in (1, 2)} <= metrics

    tested = scores.checkpoints_to_test(task, folder)
    assert len(tested) == (2 if task.selection is None else 1)
    for path in tested:
        answer = launcher.evaluate(path)
        assert "Traceback" not in answer.stderr

    row = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert (row["task"], row["upstream"], row["objective"], row["steps"]) == (task.name, "budget_local", "hubert", 2)
    assert set(row["scores"]) == {metric.column for metric in task.metrics}
    assert all(math.isfinite(value) and value >= 0 for value in row["scores"].values())
    names = {path.name for path in tested}
    measured = [s.value for s in scores.read(folder) if s.checkpoint in names and s.metric == task.main.key]
    assert len(measured) == len(tested)
    assert row["test"] == (max if task.main.higher_is_better else min)(measured)
    assert package_files() == before


@pytest.mark.integration
@pytest.mark.parametrize("launcher", ["qbe"], indirect=True)
def test_query_by_example_is_scored_layer_by_layer(launcher: Launcher) -> None:
    for split in ("dev", "test"):
        folder = launcher.folder / split
        answer = launcher.new("evaluate", "-t", split, "-l", "1", folder=folder)
        (score,) = scores.read(folder)
        assert (score.split, score.metric) == (split, "MTWV") and 0 <= score.value <= 1
        assert f"{split} MTWV: {score.value} (threshold " in answer.stdout


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("launcher", ["er"], indirect=True)
def test_another_fold_is_tested_on_another_session(launcher: Launcher) -> None:
    launcher.new("train", "-o", f"{overrides(launcher.task)},,{launcher.task.variants['fold2']}")
    predicted = (launcher.folder / "test_fold2_predict.txt").read_text().split()[::2]
    assert predicted and all(name.startswith("Ses02") for name in predicted)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("launcher", ["pr"], indirect=True)
def test_a_task_of_s3prls_ctc_expert_is_resumed(launcher: Launcher) -> None:
    launcher.new("train")
    launcher("-m", "train", "-e", str(launcher.folder), "-o", "config.runner.total_steps=4")
    steps = {score.step for score in scores.read(launcher.folder) if score.metric == "per"}
    assert steps == {1, 2, 3, 4}
    assert json.loads((launcher.folder / "record.json").read_text())["steps"] == 4
