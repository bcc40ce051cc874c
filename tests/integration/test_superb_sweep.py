"""``fairseq-budget superb`` as a user runs it: against s3prl's own runs, killed and gone on with, spread by Hydra.

Equal bit by bit means without a store (`--cache off`), whose batches are others, and without `--pool`, whose sums are.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fairseq_budget.corpora.superb.places import PLACES
from fairseq_budget.recipes import recipes_dir
from s3prl_upstreams import scores
from s3prl_upstreams.host import compat
from s3prl_upstreams.tasks import TASKS, get_task
from tests.integration.conftest import check, run, with_bin
from tests.integration.test_superb_tasks import NEEDS, TOYS
from tests.model_hub import model_hub
from tests.unit.s3prl_upstreams.conftest import TINY, _save

pytestmark = pytest.mark.integration

RATES = (1e-1, 1e-3)


@pytest.fixture(autouse=True)
def no_other_corpora(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corpora of whoever runs the tests."""
    for name in PLACES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def corpora(miniatures: Callable[..., Path]) -> Callable[[str], Path]:
    """The folder of the miniature corpora, with that of a task in it."""

    def get(task: str) -> Path:
        if task in NEEDS and importlib.util.find_spec(NEEDS[task]) is None:
            pytest.skip(f"{NEEDS[task]} isn't installed")
        return miniatures(task)

    return get


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(tmp_path_factory.mktemp("checkpoint") / "tiny.pt", "hubert", **TINY)


def toys(*tasks: str) -> list[str]:
    """Options that make heads and batches small."""
    found = []
    for task in tasks:
        pairs = {**TOYS[task], **({"max_workers": 1} if task == "qbe" else {})}
        text = ",,".join(f"config.downstream_expert.{key}={value}" for key, value in pairs.items())
        found += ["-o", f"{task}:{text}"]
    return found


def environment(superb: Path) -> dict[str, str]:
    return {"SUPERB": str(superb), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def command(
    checkpoint: Path, out: Path, *tasks: str, steps: int = 4, rates: tuple[float, ...] = RATES, cache: str = "off"
) -> list[str]:
    sweep = ["fairseq-budget", "superb", str(checkpoint), "--tasks", ",".join(tasks), "--out", str(out), "--device", "cpu"]
    sweep += ["--cache", cache]
    return [*sweep, "--steps", str(steps), "--lr", ",".join(f"{rate:g}" for rate in rates), *toys(*tasks)]


def record(out: Path, task: str) -> dict[str, Any]:
    return json.loads((out / task / "record.json").read_text(encoding="utf-8"))


def table(out: Path, task: str) -> list[Any]:
    """What doesn't depend on the time that something took."""
    row = record(out, task)
    keys = ("variant", "lr", "layer", "dev", "test", "step", "error", "dropped_at", "chosen")
    trials = [{key: trial.get(key) for key in keys} for trial in row["cells"]]
    return [{key: row.get(key) for key in (*keys, "scores", "steps")}, *trials]


def test_a_sweep_prints_a_table_and_is_done_once(corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path) -> None:
    env = environment(corpora("ks"))
    words = command(checkpoint, tmp_path / "out", "ks", steps=2)
    first = check(run(words, tmp_path, **env))
    row = record(tmp_path / "out", "ks")
    assert f"KS_ACC {row['scores']['KS_ACC']:.4g}" in first.stdout and "not the official recipe" in first.stdout
    again = check(run(words, tmp_path, **env))
    assert again.stdout == first.stdout and "ks (1 of 1)" not in again.stderr
    other = run([*words, "--seed", "7"], tmp_path, **env)
    assert other.returncode == 2 and "was begun with `seed` 1337, and now it is 7: choose another" in other.stderr


@pytest.mark.slow
def test_filter_banks_are_a_row_of_the_same_table(corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path) -> None:
    env = environment(corpora("ks"))
    check(run(command(checkpoint, tmp_path / "out" / "tiny", "ks", steps=2), tmp_path, **env))
    words = command(checkpoint, tmp_path / "out" / "fbank", "ks", steps=2)
    words.remove(str(checkpoint))
    check(run([*words, "--upstream", "fbank"], tmp_path, **env))
    row = record(tmp_path / "out" / "fbank", "ks")
    assert (row["objective"], row["checkpoint"], row["spent"]["upstream_flops"]) == ("fbank", None, 0)
    shown = check(run(["fairseq-budget", "collate", "out", "--published", "none"], tmp_path)).stdout
    own = [line.split(" | ")[0].strip() for line in shown.splitlines() if f" {row['scores']['KS_ACC']:.2f}§ ±" in line]
    assert own[0] == "| FBANK", shown


@pytest.mark.slow
def test_a_folder_of_hugging_faces_on_ones_own_speakers(
    corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path
) -> None:
    """Padded, one utterance at a time, and fetched by a name from a hub that has it."""
    pytest.importorskip("transformers")
    speakers = corpora("sid") / "voxceleb1" / "dev" / "wav"
    check(run(["fairseq-budget", "export", str(checkpoint), "hf", "--to", "hf"], tmp_path))
    words = ["fairseq-budget", "superb", "hf", "--task", "speakers", str(speakers), "--device", "cpu", "--lr", "1e-1"]
    words += ["--steps", "2", "--workers", "0", "-o", "config.downstream_expert.datarc.train_batch_size=2"]
    padded = check(run([*words, "--out", "padded"], tmp_path, **environment(tmp_path)))
    row = record(tmp_path / "padded", "speakers")
    assert row["upstream"] == "hf_hubert_custom" and row["padding"] > 0.1 and "‡ padded batches change" in padded.stdout
    assert (row["corpus"]["classes"], row["corpus"]["parted_by"], row["corpus"]["root"]) == (3, "folder", str(speakers))
    assert f"3 folders of `{speakers}`" in padded.stdout
    alone = check(run([*words, "--out", "alone", "--one-by-one"], tmp_path, **environment(tmp_path)))
    row = record(tmp_path / "alone", "speakers")
    assert row["one_by_one"] and "padding" not in row and "‡" not in alone.stdout and row["error"] is None
    words[2] = "owner/hf"
    with model_hub(hf=tmp_path / "hf") as address:
        there = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), **environment(tmp_path)}
        check(run([*words, "--out", "named"], tmp_path, **there))
    named, row = record(tmp_path / "named", "speakers"), record(tmp_path / "padded", "speakers")
    assert (named["upstream"], named["scores"]) == ("hf_hubert_custom", row["scores"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.trains])
def test_a_task_is_swept_and_a_cell_equals_s3prls_own_run(
    corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path, name: str
) -> None:
    task, env = get_task(name), environment(corpora(name))
    check(run([*command(checkpoint, tmp_path / "out", name), "--no-pool"], tmp_path, **env))
    row = record(tmp_path / "out", name)
    assert row["error"] is None and all(trial["error"] is None for trial in row["cells"])
    assert len(row["cells"]) == len(RATES) * max(1, len(task.variants))

    variant = next(iter(task.variants), "")
    trial = tmp_path / "out" / name / variant / f"lr_{row['lr']:g}"
    states = compat_load(trial / "states-4.ckpt")
    overrides = states["Args"].override + f",,config.optimizer.lr={row['lr']}"
    dev = [task.selection.split] if task.selection else []
    overrides += f",,config.runner.eval_dataloaders={dev}"
    alone = tmp_path / "alone"
    recipe = recipes_dir() / "superb" / task.recipe
    launcher = ["python", "-m", "s3prl_upstreams.run_downstream", "--device", "cpu", "--cache", "off"]
    train = ["-m", "train", "-d", task.downstream, "-c", str(recipe), "-u", "budget_local", "-k", str(checkpoint)]
    check(run([*launcher, *train, "-p", str(alone), "-o", overrides], tmp_path, **env))
    for part in ("Featurizer", "Downstream"):
        expected = compat_load(alone / "states-4.ckpt")[part]
        assert all(torch.equal(value, states[part][key]) for key, value in expected.items()), part

    (tested,) = scores.checkpoints_to_test(task, trial)[-1:]
    check(run([*launcher, "-m", "evaluate", "-e", str(alone / tested.name), "-t", task.test_split], tmp_path, **env))
    key = task.main.key
    assert on_test(alone, key, tested.name) == on_test(trial, key, tested.name) != []


def compat_load(path: Path) -> dict[str, Any]:
    compat.allow_saved_arguments()
    return torch.load(path, map_location="cpu", weights_only=True)


def on_test(folder: Path, metric: str, checkpoint: str) -> list[float]:
    """What a checkpoint scored on test."""
    found = [score for score in scores.read(folder) if score.metric == metric and score.checkpoint == checkpoint]
    return [score.value for score in found]


@pytest.mark.slow
def test_layers_of_query_by_example(corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path) -> None:
    env = environment(corpora("qbe"))
    check(run(command(checkpoint, tmp_path / "out", "qbe"), tmp_path, **env))
    row = record(tmp_path / "out", "qbe")
    assert [trial["layer"] for trial in row["cells"]] == [0, 1, 2]
    assert row["dev"] == max(trial["dev"] for trial in row["cells"]) and row["error"] is None
    recipe = recipes_dir() / "superb" / "qbe.yaml"
    launcher = ["python", "-m", "s3prl_upstreams.run_downstream", "--device", "cpu", "-m", "evaluate"]
    model = ["-d", "quesst14_dtw", "-c", str(recipe), "-u", "budget_local", "-k", str(checkpoint)]
    small = ["-o", toys("qbe")[1].removeprefix("qbe:")]
    for split in ("dev", "test"):
        place = ["-t", split, "-l", str(row["layer"]), "-p", str(tmp_path / split)]
        check(run([*launcher, *model, *place, *small], tmp_path, **env))
        assert scores.read(tmp_path / split)[-1].value == row[split]


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["off", "fp32"])
def test_a_sweep_killed_three_times_ends_like_one_without_interruption(
    corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path, cache: str
) -> None:
    env = with_bin(environment(corpora("ks")))
    corpora("asr")
    broken, whole = (
        command(checkpoint, tmp_path / name, "ks", "asr", steps=40, cache=cache) for name in ("broken", "whole")
    )
    broken += ["--cache-dir", str(tmp_path / "store")]  # which nobody has filled
    check(run(whole, tmp_path, **environment(corpora("ks"))))
    for task, trial, size in (("ks", "lr_0.1", 1), ("ks", "lr_0.1", 6), ("asr", "lr_0.001", 4)):
        # output isn't a pipe: nobody but the kill ends the processes
        with subprocess.Popen(
            broken, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            lines = tmp_path / "broken" / task / trial / scores.FILE
            while process.poll() is None and (not lines.exists() or len(lines.read_text().splitlines()) < size):
                time.sleep(0.01)
            assert process.poll() is None, "it ended before it was killed"
            os.killpg(process.pid, signal.SIGKILL)
    check(run(broken, tmp_path, **environment(corpora("ks"))))
    for task in ("ks", "asr"):
        assert table(tmp_path / "broken", task) == table(tmp_path / "whole", task)
        for rate in RATES if cache == "off" else ():  # with a store, up to the rounding of other batches
            one, two = (compat_load(tmp_path / n / task / f"lr_{rate:g}" / "states-40.ckpt") for n in ("broken", "whole"))
            assert all(torch.equal(value, two["Downstream"][key]) for key, value in one["Downstream"].items())


@pytest.mark.slow
def test_a_task_that_fails_does_not_stop_the_others(
    corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path
) -> None:
    env = environment(corpora("ks"))
    corpora("ic")
    words = command(checkpoint, tmp_path / "out", "ic", "ks", steps=2)
    # a head of no width is noticed when it is built
    broken = run([*words, "-o", "ic:config.downstream_expert.modelrc.select='Nothing'"], tmp_path, **env)
    reason = "s3prl has no `Nothing` of its own here: correct the recipe"
    assert broken.returncode == 1 and f"ic (1 of 2): {reason}" in broken.stderr and "ks (2 of 2): done" in broken.stderr
    assert record(tmp_path / "out", "ic")["error"].startswith(reason)
    assert record(tmp_path / "out", "ks")["error"] is None


@pytest.mark.slow
def test_hydra_spreads_trials_and_the_command_chooses_among_them(
    corpora: Callable[[str], Path], checkpoint: Path, tmp_path: Path
) -> None:
    env, small = environment(corpora("ks")), toys("ks")[1]
    settings = [f"checkpoint={checkpoint}", "device=cpu", "steps=4", f"override=['{small}']"]
    jobs = ["--multirun", "task=ks", "lr=[1e-1],[1e-3]", "test=false", f"out={tmp_path / 'trials'}"]
    check(run(["python", "-m", "s3prl_upstreams.sweep", *jobs, *settings], tmp_path, **env))
    assert not (tmp_path / "cells" / "ks" / "record.json").exists()
    for name in ("cells", "together"):
        check(run(command(checkpoint, tmp_path / name, "ks"), tmp_path, **env))
    assert table(tmp_path / "cells", "ks") == table(tmp_path / "together", "ks")
    whole = ["--multirun", "hydra/launcher=submitit_local", "task=ks", "lr=[1e-1,1e-3]", f"out={tmp_path / 'job'}"]
    check(run(["python", "-m", "s3prl_upstreams.sweep", *whole, *settings], tmp_path, **env))
    assert table(tmp_path / "job", "ks") == table(tmp_path / "together", "ks")
