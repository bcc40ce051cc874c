"""Both ways to a score refuse an incomplete corpus alike, and mark the score when told to go on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fairseq_budget.recipes import recipes_dir
from fairseq_budget.synthetic.superb import everything
from s3prl_upstreams.completeness import FLAG
from s3prl_upstreams.tasks import get_task
from tests.integration.test_superb_tasks import TOYS, overrides, under

MISSING = "wavs/speakers/4BrX8aDqK2cLZRYl/train-0007.wav"
SAID = "the corpus of `ic` is incomplete, 1 of 27 files are missing: 1 of 12 that `"

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """call(*words): ``python -m`` with IC's miniature corpus, of which a recording was removed."""
    everything.make(tmp_path / "superb", ("ic",))
    (tmp_path / "superb" / "fluent_commands" / MISSING).unlink()
    own = {"SUPERB": str(tmp_path / "superb"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": ""}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **own})

    return run


def expect_refusal(answer: subprocess.CompletedProcess[str]) -> None:
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    assert answer.returncode == 2 and SAID in line and MISSING in line and FLAG in line, answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.integration
def test_run_downstream(call: Call, tmp_path: Path) -> None:
    task = get_task("ic")
    recipe = str(recipes_dir() / "superb" / task.recipe)
    words = ["s3prl_upstreams.run_downstream", "-m", "train", "-d", task.downstream, "-c", recipe, "-p", "exp"]
    words += ["-o", overrides(task), "-u", "fbank", "--device", "cpu"]
    expect_refusal(call(*words))
    assert not list((tmp_path / "exp").glob("*.ckpt"))

    answer = call(*words, FLAG)
    assert answer.returncode == 0, answer.stderr
    mark = json.loads((tmp_path / "exp" / "record.json").read_text())["incomplete"]
    assert mark == {"missing": 1, "of": 27, "such_as": [MISSING]}

    # the checkpoint says it, too: whoever evaluates it alone gets a marked score
    answer = call("s3prl_upstreams.run_downstream", "-m", "evaluate", "-e", "exp/states-2.ckpt", "--device", "cpu")
    assert answer.returncode == 0, answer.stderr
    assert json.loads((tmp_path / "exp" / "record.json").read_text())["incomplete"] == mark


@pytest.mark.integration
def test_the_sweep_and_the_table(call: Call, tmp_path: Path) -> None:
    toy = ",,".join(f"{key}={value}" for key, value in under("config.downstream_expert", TOYS["ic"]).items())
    words = ["fairseq_budget", "superb", "--tasks", "ic", "--upstream", "fbank", "--device", "cpu", "--steps", "2"]
    words += ["--lr", "1e-3", "--out", "out", "-o", toy]
    expect_refusal(call(*words))
    assert not (tmp_path / "out").exists()

    answer = call(*words, FLAG)
    assert answer.returncode == 0, answer.stderr
    assert "ic: incomplete corpus (1 of 27 files missing)" in answer.stdout
    row = json.loads((tmp_path / "out" / "ic" / "record.json").read_text())
    assert row["incomplete"]["missing"] == 1 and row["scores"].keys() == {"IC_ACC"}
    assert not any(key.startswith("incomplete") for key in row["sweep"]["changed"])

    table = call("fairseq_budget", "collate", "out", "--published", "none")
    assert "† incomplete corpus (1 of 27 files missing)" in table.stdout
    assert re.search(r"\d\D*†§ +\|", table.stdout), "its score is marked, and that of a shortened recipe"
