"""A newcomer's mistakes: each gives one useful line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fairseq_budget.recipes import recipes_dir
from tests.integration.conftest import Training, check, run, spawned

pytestmark = pytest.mark.integration


def message(stderr: str) -> str:
    """What was said besides logs, warnings and Hydra's own frame around an error."""
    assert "Traceback" not in stderr
    return stderr


@pytest.fixture
def data(corpus: Path, tmp_path: Path) -> Path:
    """A copy of the manifests and labels that a test may break."""
    return Path(shutil.copytree(corpus / "data", tmp_path / "data"))


@pytest.fixture
def training(data: Path, tmp_path: Path) -> Training:
    return Training(data, tmp_path / "run", "hubert")


def test_a_wrong_path_in_a_manifest(training: Training, data: Path) -> None:
    lines = (data / "train.tsv").read_text().splitlines()
    lines[-1] = "no/such/file.flac\t50000"
    (data / "train.tsv").write_text("\n".join(lines) + "\n")
    result = training.run()
    assert result.returncode != 0
    assert f"train.tsv`, line {len(lines)}: no file" in message(result.stderr)


def test_no_gpu_where_one_is_asked_for(training: Training) -> None:
    result = training.run("device=cuda")
    assert result.returncode != 0
    assert "torch sees none here: add `device=cpu`" in message(result.stderr)


def test_labels_that_were_not_made(training: Training, data: Path) -> None:
    (data / "dict.km.txt").unlink()
    assert "run `fairseq-budget labels`" in message(training.run().stderr)


def test_no_budget(training: Training) -> None:
    assert "a budget is needed: set `budget=paper`" in message(training.run("budget=custom").stderr)


def test_a_budget_below_one_update(training: Training) -> None:
    """Before training: it would do that update, and be over its budget."""
    result = training.run("task.budget.flops=1")
    assert "`flops` = 1 is less than one update of this run (" in message(result.stderr)
    assert not training.checkpoint.exists()


def test_another_model_than_the_checkpoints(training: Training) -> None:
    check(training.run("task.budget.flops=null", "task.budget.updates=1"))
    result = training.run("task.budget.flops=null", "task.budget.updates=2", "model.encoder_layers=3")
    told = f"`{training.checkpoint}` was trained with another model than this recipe's (missing: ['encoder.layers.2."
    assert told in message(result.stderr)


def test_a_misspelt_size(training: Training) -> None:
    error = message(training.run("size=slimm").stderr)
    assert "unknown size `slimm`: choose one of " in error
    assert "large" in error


def last_line(stderr: str) -> str:
    """The error itself: Hydra's own advice and list of overrides don't stand around it."""
    assert "Set the environment variable" not in stderr and "Error executing job" not in stderr
    return message(stderr).strip().splitlines()[-1]


def test_the_line_is_the_last(training: Training) -> None:
    told = last_line(training.run("task.budget.updates=many").stderr)
    assert told == "`task.budget.updates` must be a number, but is `many`"
    assert "Traceback" in training.run("task.budget.updates=many", HYDRA_FULL_ERROR="1").stderr


@pytest.mark.slow
def test_what_ranks_say_is_told_once(training: Training) -> None:
    error = training.run(*spawned(), "task.batching=bin", OMP_NUM_THREADS="1").stderr
    assert last_line(error) == "`task.batching` must be one of buckets, sorted, bins, but is `bin`"


def test_slurm_without_a_multirun(training: Training) -> None:
    told = last_line(training.run("cluster=slurm").stderr)
    assert told == "`cluster=slurm` starts the jobs of a multirun: add `-m`, or leave it out to train here"


@pytest.mark.skipif(shutil.which("srun") is not None, reason="there is Slurm here")
def test_no_slurm(training: Training, tmp_path: Path) -> None:
    command = ["fairseq-hydra-train", "-m", *training.command("cluster=slurm", f"hydra.sweep.dir={tmp_path / 'sweep'}")]
    assert last_line(run(command, tmp_path).stderr).startswith("`cluster=slurm` needs Slurm's `srun`, which isn't on")


def test_a_folder_that_cant_be_made(training: Training, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = last_line(training.run(f"hydra.run.dir={tmp_path / 'file' / 'run'}").stderr)
    assert "can't be made" in told and told.endswith("give another `hydra.run.dir` or `hydra.sweep.dir`")


def test_another_objective_in_the_same_folder(training: Training, data: Path, tmp_path: Path) -> None:
    check(training.run("task.budget.flops=null", "task.budget.updates=1"))
    other = Training(data, tmp_path / "run", "tera").run("task.budget.flops=null", "task.budget.updates=2")
    assert "was trained with another model than this recipe's" in last_line(other.stderr)


def test_half_precision_on_a_cpu(training: Training) -> None:
    assert last_line(training.run("common.fp16=true").stderr).startswith("`common.fp16` is for GPUs: leave it out")


def test_a_warmup_as_long_as_the_run(training: Training) -> None:
    assert "`lr_scheduler.warmup_share` must be" in message(training.run("lr_scheduler.warmup_share=1").stderr)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run(["fairseq-budget", "manifest", "empty", "--out", "data"], tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "empty" in result.stderr


def test_a_text_file_called_flac(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "speech.flac").write_text("this is no audio\n")
    result = run(["fairseq-budget", "manifest", "audio", "--out", "data"], tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "speech.flac" in result.stderr


def downstream(tmp_path: Path, corpus: Path, *options: str) -> str:
    recipe = str(recipes_dir() / "superb" / "ks.yaml")
    command = ["python", "-m", "s3prl_upstreams.run_downstream", "-m", "train", "-d", "speech_commands", "-c", recipe]
    result = run(
        [*command, "-p", str(tmp_path / "exp"), *options], tmp_path, SPEECH_COMMANDS=str(corpus / "speech_commands")
    )
    assert result.returncode == 2
    return message(result.stderr)


def test_a_checkpoint_that_was_forgotten(tmp_path: Path, corpus: Path) -> None:
    assert "`-u budget_slim` needs a checkpoint: add `-k PATH`" in downstream(
        tmp_path, corpus, "-u", "budget_slim", "--device", "cpu"
    )


def test_a_gpu_for_s3prl_that_is_not_there(tmp_path: Path, corpus: Path) -> None:
    assert "--device cpu" in downstream(tmp_path, corpus, "-u", "fbank", "--device", "cuda")
