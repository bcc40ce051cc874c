"""The launcher: what it checks before s3prl starts, what it reads afterwards, and how errors reach the user."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from fairseq_budget import provenance
from fairseq_budget.data.corpora.jobs import run_jobs
from fairseq_budget.data.corpora.keywords import keyword_jobs
from fairseq_budget.errors import BudgetError
from fairseq_budget.modules.safe_load import safe_load
from s3prl_upstreams import checks, compat, record
from s3prl_upstreams.run_downstream import Observer, one_line

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "superb" / "ks.yaml"


def recipe() -> dict[str, Any]:
    return yaml.safe_load(RECIPE.read_text(encoding="utf-8"))


def keyword_corpus(folder: Path, items: int) -> Path:
    """A corpus of noise in Speech Commands' layout with that many files to train on, one of them a background noise."""
    paths = [folder / "train" / "yes" / f"spk{index:02d}_nohash_0.wav" for index in range(items - 1)]
    paths += [folder / "train" / "_background_noise_" / "a.wav", folder / "test" / "yes" / "x.wav"]
    noise = np.random.default_rng(0).normal(scale=0.1, size=16000)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise, 16000)
    return folder


def arguments(**changes: Any) -> Namespace:
    return Namespace(**{"device": "cpu", "downstream": "speech_commands", "mode": "train", "past_exp": None, **changes})


def test_the_recipe_is_the_official_one() -> None:
    """Values of s3prl 0.4.18, downstream/speech_commands/config.yaml."""
    config = recipe()
    assert config["runner"] == {
        "total_steps": 200000,
        "gradient_clipping": 1,
        "gradient_accumulate_steps": 1,
        "log_step": 100,
        "eval_step": 5000,
        "save_step": 1000,
        "max_keep": 1,
        "eval_dataloaders": ["dev", "test"],
    }
    assert config["optimizer"] == {"name": "TorchOptim", "torch_optim_name": "Adam", "lr": 1e-4}
    head = {"projector_dim": 256, "select": "UtteranceLevel", "UtteranceLevel": {"pooling": "MeanPooling"}}
    assert config["downstream_expert"]["modelrc"] == head
    datarc = config["downstream_expert"]["datarc"]
    assert (datarc["batch_size"], datarc["num_workers"]) == (32, 8)
    assert not any(str(datarc[key]).startswith("/") for key in ("speech_commands_root", "speech_commands_test_root"))


def test_environment_variables_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compat.apply()
    monkeypatch.setenv("SPEECH_COMMANDS", str(keyword_corpus(tmp_path, 4)))
    config = recipe()
    config["downstream_expert"]["datarc"]["batch_size"] = 2
    checks.prepare(arguments(), config)
    assert config["downstream_expert"]["datarc"]["speech_commands_test_root"] == f"{tmp_path}/test"
    assert checks.expand({"a": ["$SPEECH_COMMANDS", 3]}) == {"a": [str(tmp_path), 3]}


def test_a_missing_corpus_says_how_to_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPEECH_COMMANDS", raising=False)
    expected = r"`speech_commands_root` of `-d speech_commands` must be a folder, but is `\$\{SPEECH_COMMANDS\}/train`: "
    expected += r"give it with -o \"config.downstream_expert.datarc.speech_commands_root='PATH'\""
    with pytest.raises(BudgetError, match=expected):
        checks.prepare(arguments(), recipe())
    with pytest.raises(BudgetError, match="must be a folder, but is `None`"):
        checks.prepare(arguments(), {"downstream_expert": {}})


def test_a_corpus_smaller_than_a_batch_would_run_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compat.apply()
    monkeypatch.setenv("SPEECH_COMMANDS", str(keyword_corpus(tmp_path, 5)))
    with pytest.raises(BudgetError, match="has 5 files for training, less than one batch of 32: add -o .*batch_size=5"):
        checks.prepare(arguments(), recipe())
    checks.prepare(arguments(mode="evaluate"), recipe())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_no_cuda() -> None:
    with pytest.raises(BudgetError, match="`--device cuda`, but torch finds no CUDA device: add `--device cpu`"):
        checks.prepare(arguments(device="cuda"), recipe())


def test_other_tasks_are_not_checked() -> None:
    checks.prepare(arguments(downstream="asr"), {"downstream_expert": {"datarc": {}}})


LOG = """train at step 5: 0.5
dev at step 5: 0.25
New best on dev at step 5: 0.25
test at step 5: 0.2
dev at step 10: 0.75
New best on dev at step 10: 0.75
test at step 10: 0.6
dev at step 15: 0.75
test at step 15: 0.9
"""


def test_scores_are_those_of_the_first_best_step_on_dev() -> None:
    assert record.read_accuracy(LOG) == record.Scores(dev=0.75, test=0.6, step=10)


def test_scores_of_runs_without_improvement_test_or_evaluation() -> None:
    assert record.read_accuracy("dev at step 1: 0.0\ndev at step 2: 0.0\n") == record.Scores(0.0, None, 1)
    assert record.read_accuracy("train at step 1: 0.5\n") == record.Scores(None, None, None)


def test_the_record(tmp_path: Path, thirty: Path) -> None:
    args = arguments(upstream="budget_30", upstream_ckpt=str(thirty), expdir=str(tmp_path))
    path = record.write(args, recipe(), LOG, 12.34, "python -m s3prl_upstreams.run_downstream ...")
    row = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "record.json" and [child.name for child in tmp_path.iterdir()] == ["record.json"]
    assert set(row.pop("versions")) == {"fairseq_budget", "python", "s3prl", "torch", "torchaudio"}
    assert row.pop("git") == provenance.git_revision()
    assert row == {
        "kind": "downstream",
        "task": "ks",
        "upstream": "budget_30",
        "objective": "wav2vec2",
        "size": "30",
        "checkpoint": str(thirty),
        "metric": "acc",
        "higher_is_better": True,
        "dev": 0.75,
        "test": 0.6,
        "step": 10,
        "steps": 200000,
        "lr": 1e-4,
        "wall_seconds": 12.3,
        "command": "python -m s3prl_upstreams.run_downstream ...",
    }


def test_other_upstreams_and_tasks(tmp_path: Path) -> None:
    args = arguments(upstream="fbank", upstream_ckpt=None, expdir=str(tmp_path))
    expected = {"upstream": "fbank", "objective": "fbank", "size": None, "checkpoint": None}
    assert record.upstream_of(args) == expected
    args.downstream = "asr"
    assert record.write(args, recipe(), "", 1.0, "") is None and not (tmp_path / "record.json").exists()


def test_a_new_run_does_not_read_the_log_of_an_old_one(tmp_path: Path) -> None:
    log = tmp_path / "log.log"
    config = {"downstream_expert": {}}
    for past, expected in ((None, "new\n"), (str(tmp_path), "old\nnew\n")):
        log.write_text("old\n")
        observer = Observer(lambda: (arguments(downstream="asr", expdir=tmp_path, past_exp=past), config, []))  # noqa: B023
        observer()
        log.write_text("old\nnew\n")
        assert observer.written_log() == expected


def test_errors_of_processes_that_read_audio_are_one_line() -> None:
    inner = "fairseq_budget.errors.BudgetError: cannot read the audio file `x.wav`"
    wrapped = f"Caught BudgetError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n{inner}\n"
    assert one_line(BudgetError(wrapped)) == "cannot read the audio file `x.wav`"
    assert one_line(BudgetError("plain")) == "plain"


def launch(*words: str, corpus: Path | None = None) -> subprocess.CompletedProcess[str]:
    """``python -m s3prl_upstreams.run_downstream`` with `words`, in a process without GPU."""
    # one thread: processes of a test run that each take all cores wait for one another
    settings = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "SPEECH_COMMANDS": str(corpus or "")}
    command = [sys.executable, "-m", "s3prl_upstreams.run_downstream", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **settings})


TOY = {"runner.total_steps": 2, "runner.eval_step": 1, "runner.save_step": 2, "runner.log_step": 1}
TOY |= {"downstream_expert.datarc.num_workers": 0, "downstream_expert.datarc.batch_size": 4}


def toy_run(expdir: Path, corpus: Path, *words: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Train KS for two steps in `expdir`; `changes` are keys of ``datarc``."""
    values = TOY | {f"downstream_expert.datarc.{key}": value for key, value in changes.items()}
    override = ",,".join(f"config.{key}={value}" for key, value in values.items())
    train = ["-m", "train", "-d", "speech_commands", "-c", str(RECIPE), "--device", "cpu", "-p", str(expdir)]
    return launch(*train, "-o", override, *words, corpus=corpus)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic keyword corpus."""
    folder = tmp_path_factory.mktemp("keywords")
    run_jobs(keyword_jobs(folder / "speech_commands", speakers=4, takes=1, seed=0), workers=1)
    return folder / "speech_commands"


@pytest.mark.integration
@pytest.mark.parametrize("upstream", ["fbank", "budget_local"])
def test_keyword_spotting_trains_evaluates_and_leaves_a_record(
    tmp_path: Path, spoken: Path, tiny: Path, upstream: str
) -> None:
    words = ["-u", upstream] + ([] if upstream == "fbank" else ["-k", str(tiny)])
    answer = toy_run(tmp_path / "exp", spoken, *words)
    assert answer.returncode == 0, answer.stderr
    row = json.loads((tmp_path / "exp" / "record.json").read_text(encoding="utf-8"))
    expected = (upstream, "fbank" if upstream == "fbank" else "hubert", 2)
    assert (row["upstream"], row["objective"], row["steps"]) == expected
    assert 0 <= row["dev"] <= 1 and 0 <= row["test"] <= 1 and row["step"] in (1, 2)
    assert f"dev at step {row['step']}: {row['dev']}" in (tmp_path / "exp" / "log.log").read_text()

    states = str(tmp_path / "exp" / "states-2.ckpt")
    again = launch("-m", "evaluate", "-e", states, "--device", "cpu", corpus=spoken)
    assert again.returncode == 0, again.stderr
    assert re.search(r"test acc: [01]\.\d+", again.stdout)


@pytest.mark.integration
def test_fine_tuning_saves_the_upstream(tmp_path: Path, spoken: Path, tiny: Path) -> None:
    answer = toy_run(tmp_path / "exp", spoken, "-u", "budget_local", "-k", str(tiny), "-f")
    assert answer.returncode == 0, answer.stderr
    tuned = safe_load(tmp_path / "exp" / "states-2.ckpt")["Upstream"]
    before = safe_load(tiny)["model"]
    changed = {name for name, weight in before.items() if not torch.equal(weight, tuned[f"model.{name}"])}
    assert {"post_extract_proj.weight", "encoder.layers.0.fc1.weight", "encoder.layers.1.fc1.weight"} <= changed


@pytest.mark.integration
@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_recording_is_one_line(tmp_path: Path, workers: int) -> None:
    corpus = keyword_corpus(tmp_path, 5)
    for path in corpus.glob("train/*/*.wav"):
        path.write_bytes(b"no audio")
    answer = toy_run(tmp_path / "exp", corpus, "-u", "fbank", num_workers=workers)
    assert answer.returncode == 2 and "Traceback" not in answer.stderr, answer.stderr
    assert re.search(r"^error: cannot read the audio file `.*\.wav` .*: replace it or leave it out$", answer.stderr, re.M)


def test_errors_from_inside_s3prl_are_one_line_on_the_terminal(tmp_path: Path) -> None:
    train = ["-m", "train", "-d", "speech_commands", "-p", str(tmp_path / "exp")]
    for words, message in (
        ([*train, "-u", "fbank"], "add `-c FILE`"),
        ([*train, "-c", str(RECIPE), "-u", "fbank"], "`--device cuda`, but torch finds no CUDA device"),
    ):
        answer = launch(*words)
        lines = answer.stderr.splitlines()
        assert answer.returncode == 2 and message in lines[-1] and lines[-1].startswith("error: "), answer.stderr
        assert "Traceback" not in answer.stderr
