"""The launcher: what it checks before s3prl starts, what it reads afterwards, and how errors reach the user."""

from __future__ import annotations

import importlib.util
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

from fairseq_budget.checkpoints.safe_load import safe_load
from fairseq_budget.corpora.superb.places import PLACES
from fairseq_budget.errors import BudgetError
from fairseq_budget.records import provenance
from fairseq_budget.records.base import SCHEMA_VERSION
from fairseq_budget.sealed import unsealed
from fairseq_budget.synthetic.jobs import run_jobs
from fairseq_budget.synthetic.keywords import keyword_jobs
from s3prl_upstreams import checks, record, scores
from s3prl_upstreams.host import compat
from s3prl_upstreams.run_downstream import Observer, one_line
from s3prl_upstreams.scores import Score
from s3prl_upstreams.tasks import TASKS, der
from tests.warm_start import HOOK, warm

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
    known = {"device": "cpu", "downstream": "speech_commands", "mode": "train", "past_exp": None, "evaluate_split": "test"}
    return Namespace(**{**known, **changes})


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
    expected += (
        r"get it from http://download.tensorflow.org/data/ and set SPEECH_COMMANDS to the folder that holds train/ .*, "
    )
    expected += r"or give it with -o \"config.downstream_expert.datarc.speech_commands_root='PATH'\""
    with pytest.raises(BudgetError, match=expected):
        checks.prepare(arguments(), recipe())
    with pytest.raises(BudgetError, match="must be a folder, but is `None`: check the path, or give it with -o"):
        checks.prepare(arguments(), {"downstream_expert": {}})


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("ks", "ic", "qbe")])
def test_what_is_not_prepared_says_how_to_prepare_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in PLACES.values():
        (tmp_path / place.folder).mkdir()
    monkeypatch.setenv("SUPERB", str(tmp_path))
    task = TASKS[name]
    config = yaml.safe_load((ROOT / "recipes" / "superb" / task.recipe).read_text(encoding="utf-8"))
    expected = rf"of `-d {task.downstream}` must be a (file|folder), but is `{tmp_path}/{name}.*`: set SUPERB to a folder "
    expected += rf"of yours, and fill it with `fairseq-budget corpus superb {name} .* --out \$SUPERB`.*, or give it with"
    with pytest.raises(BudgetError, match=expected):
        checks.prepare(arguments(downstream=task.downstream), config)


def ready(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The recipe of a task whose paths are there, and empty."""
    monkeypatch.setenv("SUPERB", str(folder))
    config = yaml.safe_load((ROOT / "recipes" / "superb" / TASKS[name].recipe).read_text(encoding="utf-8"))
    expanded = checks.expand(config["downstream_expert"])
    for key, is_wanted in TASKS[name].paths.items():
        path = expanded
        for part in key.split("."):
            path = path[part]
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).mkdir(parents=True, exist_ok=True) if is_wanted == Path.is_dir else Path(path).touch()
    return config


def test_query_by_example_is_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ready("qbe", tmp_path, monkeypatch)
    with pytest.raises(BudgetError, match="`-m train`: QbE has nothing to train, use `-m evaluate -t dev -l LAYER`"):
        checks.prepare(arguments(downstream="quesst14_dtw"), config)


def test_packages_of_query_by_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ready("qbe", tmp_path, monkeypatch)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BudgetError, match=r"QbE needs the package dtw-python: pip install 'fairseq-budget\[superb\]'"):
        checks.prepare(arguments(downstream="quesst14_dtw", mode="evaluate"), config)


def test_verification_has_no_development_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ready("asv", tmp_path, monkeypatch)
    with pytest.raises(BudgetError, match="`-t dev`: ASV is scored on its test trials only, use `-t test`"):
        checks.prepare(arguments(downstream="sv_voxceleb1", mode="evaluate", evaluate_split="dev"), config)


def test_speakers_that_identification_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ready("sid", tmp_path, monkeypatch)
    lists = tmp_path / "sid" / "veri_test_class.txt"
    for speaker in ("id10000", "id11252", "speaker", ""):
        lists.write_text(f"1 id10001/a/1.wav\n1 {speaker}/a/1.wav\n")
        with pytest.raises(
            BudgetError, match=rf"txt`, line 2: `1 {speaker}/a/1.wav` has no speaker from id10001 to id11251"
        ):
            checks.prepare(arguments(downstream="voxceleb1"), config)


def test_folders_that_are_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compat.apply()
    config = ready("ks35", tmp_path, monkeypatch)
    (tmp_path / "ks35" / "train" / "_background_noise_").mkdir()
    with pytest.raises(BudgetError, match="train/_background_noise_` is no word: make the folders with"):
        checks.prepare(arguments(), config)
    (tmp_path / "ks35" / "train" / "_background_noise_").rmdir()
    (tmp_path / "ks35" / "test" / "never").mkdir()
    with pytest.raises(BudgetError, match="test/never` is to be tested, and nothing of it is trained: add it"):
        checks.prepare(arguments(), config)


def test_diarization_asks_for_its_reference_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ready("sd", tmp_path, monkeypatch)
    monkeypatch.setattr(der, "require_library", lambda: None)
    with pytest.raises(BudgetError, match="no RTTM file `.*sd/test/rttm`: make it with `fairseq-budget corpus superb sd`"):
        checks.prepare(arguments(downstream="diarization", mode="evaluate"), config)
    for split in ("train", "dev", "test"):
        for name in ("wav.scp", "segments", "utt2spk", "spk2utt", "reco2dur"):
            (tmp_path / "sd" / split / name).touch()
    checks.prepare(arguments(downstream="diarization"), config)


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
    checks.prepare(arguments(downstream="mosei"), {"downstream_expert": {"datarc": {}}})


def note(folder: Path, *found: Score) -> None:
    for score in found:
        scores.append(folder, score)


def test_the_record(tmp_path: Path, thirty: Path) -> None:
    args = arguments(upstream="budget_30", upstream_ckpt=str(thirty), expdir=str(tmp_path), upstream_trainable=False)
    note(tmp_path, Score("dev", "acc", 0.25, 5), Score("test", "acc", 0.2, 5), Score("dev", "acc", 0.75, 10))
    note(tmp_path, Score("test", "acc", 0.6, 10), Score("dev", "acc", 0.75, 15), Score("test", "acc", 0.9, 15))
    path = record.write(args, recipe(), 12.34, "python -m s3prl_upstreams.run_downstream ...")
    row = unsealed(json.loads(path.read_text(encoding="utf-8")))
    assert sorted(child.name for child in tmp_path.iterdir()) == ["record.json", "scores.jsonl"]
    assert set(row.pop("versions")) == {"fairseq_budget", "python", "s3prl", "torch", "torchaudio"}
    assert row.pop("git") == provenance.git_revision()
    assert row == {
        "kind": "downstream",
        "schema_version": SCHEMA_VERSION,
        "task": "ks",
        "upstream": "budget_30",
        "objective": "wav2vec2",
        "size": "30",
        "checkpoint": str(thirty),
        "unfrozen": False,
        "metric": "acc",
        "higher_is_better": True,
        "factor": 100.0,
        "unit": "%",
        "dev": 0.75,
        "test": 0.6,
        "step": 10,
        "scores": {"KS_ACC": 60.0},
        "steps": 200000,
        "lr": 1e-4,
        "wall_seconds": 12.3,
        "command": "python -m s3prl_upstreams.run_downstream ...",
    }


def test_a_later_test_goes_into_the_record(tmp_path: Path) -> None:
    args = arguments(upstream="fbank", upstream_ckpt=None, expdir=str(tmp_path), upstream_trainable=True)
    config = recipe()
    record.add_test(args, config)  # there is none yet
    note(tmp_path, Score("dev", "acc", 0.5, 5), Score("test", "acc", 0.4, 5))
    record.write(args, config, 1.0, "")
    (tmp_path / "dev-best.ckpt").touch()
    note(
        tmp_path,
        Score("test", "acc", 0.45, checkpoint="dev-best.ckpt"),
        Score("test", "acc", 0.9, checkpoint="states-9.ckpt"),
    )
    record.add_test(args, config)
    row = json.loads((tmp_path / "record.json").read_text())
    assert (row["dev"], row["test"], row["step"], row["unfrozen"], row["lr"]) == (0.5, 0.45, 5, True, 1e-4)


def test_an_incomplete_corpus_stands_in_the_record(tmp_path: Path) -> None:
    args = arguments(upstream="fbank", upstream_ckpt=None, expdir=str(tmp_path), upstream_trainable=False)
    config = recipe()
    note(tmp_path, Score("dev", "acc", 0.5, 5))
    record.write(args, config, 1.0, "")
    assert "incomplete" not in json.loads((tmp_path / "record.json").read_text())
    mark = {"missing": 12, "of": 345, "such_as": ["a.wav"]}
    record.add_test(args, config | {"incomplete": mark})  # the test's files alone
    assert json.loads((tmp_path / "record.json").read_text())["incomplete"] == mark
    record.write(args, config | {"incomplete": mark}, 1.0, "")
    record.add_test(args, config)
    assert json.loads((tmp_path / "record.json").read_text())["incomplete"] == mark


def test_other_upstreams_and_tasks(tmp_path: Path) -> None:
    args = arguments(upstream="fbank", upstream_ckpt=None, expdir=str(tmp_path))
    expected = {"upstream": "fbank", "objective": "fbank", "size": None, "checkpoint": None}
    assert record.upstream_of(args) == expected
    args.upstream = "random_slim"
    expected = {"upstream": "random_slim", "objective": "untrained hubert", "size": "slim", "checkpoint": None}
    assert record.upstream_of(args) == expected
    args.downstream = "mosei"
    assert record.write(args, recipe(), 1.0, "") is None and not (tmp_path / "record.json").exists()


def test_a_new_run_begins_new_scores_and_a_resumed_one_goes_on(tmp_path: Path) -> None:
    compat.apply()
    for past, expected in ((str(tmp_path), ["dev"]), (None, [])):
        scores.append(tmp_path, Score("dev", "acc", 0.5, 1))
        args = arguments(downstream="mosei", expdir=tmp_path, past_exp=past, init_ckpt=None)
        Observer(lambda args=args: (args, {"downstream_expert": {}}, []))()
        assert [score.split for score in scores.read(tmp_path)] == expected


def test_s3prls_runner_has_its_own_writer_afterwards(tmp_path: Path) -> None:
    compat.apply()
    runner = importlib.import_module("s3prl.downstream.runner")
    own = runner.SummaryWriter
    args = arguments(downstream="mosei", expdir=tmp_path, past_exp=None, init_ckpt=None)
    observer = Observer(lambda: (args, {"downstream_expert": {}}, []))
    with observer.writers:
        observer()
        runner.SummaryWriter(str(tmp_path)).add_scalar("ks/dev-acc", 0.5, 1)
    assert runner.SummaryWriter is own
    assert [(score.split, score.value) for score in scores.read(tmp_path)] == [("dev", 0.5)]


def test_errors_of_processes_that_read_audio_are_one_line() -> None:
    inner = "fairseq_budget.errors.BudgetError: cannot read the audio file `x.wav`"
    wrapped = f"Caught BudgetError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n{inner}\n"
    assert one_line(BudgetError(wrapped)) == "cannot read the audio file `x.wav`"
    assert one_line(BudgetError("plain")) == "plain"


def launch(*words: str, corpus: Path | None = None) -> subprocess.CompletedProcess[str]:
    """``python -m s3prl_upstreams.run_downstream`` with `words`, in a process without GPU."""
    # one thread: processes of a test run that each take all cores wait for one another
    settings = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "SPEECH_COMMANDS": str(corpus or "")}
    settings[HOOK] = "0"  # this launcher prepares s3prl by itself
    command = [sys.executable, "-m", "s3prl_upstreams.run_downstream", *words]
    return warm(hook=False).run(command, ROOT, {**os.environ, **settings})


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
@pytest.mark.parametrize(
    ("upstream", "objective"),
    [
        ("fbank", "fbank"),
        ("budget_local", "hubert"),
        pytest.param("random_30", "untrained hubert", marks=pytest.mark.slow),
    ],
)
def test_keyword_spotting_trains_evaluates_and_leaves_a_record(
    tmp_path: Path, spoken: Path, tiny: Path, upstream: str, objective: str
) -> None:
    words = ["-u", upstream] + (["-k", str(tiny)] if upstream == "budget_local" else [])
    answer = toy_run(tmp_path / "exp", spoken, *words)
    assert answer.returncode == 0, answer.stderr
    row = json.loads((tmp_path / "exp" / "record.json").read_text(encoding="utf-8"))
    assert (row["upstream"], row["objective"], row["steps"]) == (upstream, objective, 2)
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


@pytest.mark.integration
def test_errors_from_inside_s3prl_are_one_line_on_the_terminal(tmp_path: Path) -> None:
    train = ["-m", "train", "-d", "speech_commands", "-p", str(tmp_path / "exp")]
    for words, message in (
        ([*train, "-u", "fbank"], "add `-c FILE`"),
        ([*train, "-c", str(RECIPE), "-u", "fbank"], "`--device cuda`, but torch finds no CUDA device"),
        (["-m", "evaluate", "-e", str(tmp_path / "none.ckpt")], "none.ckpt`: `-e` and `-i` want a checkpoint"),
    ):
        answer = launch(*words)
        lines = answer.stderr.splitlines()
        assert answer.returncode == 2 and message in lines[-1] and lines[-1].startswith("error: "), answer.stderr
        assert "Traceback" not in answer.stderr
