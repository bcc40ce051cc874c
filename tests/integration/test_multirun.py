"""A study as a multirun: Hydra's launchers start processes of their own, which have to know the recipes, too."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.integration.conftest import Training, check, run

pytestmark = pytest.mark.integration


def test_a_launched_job_trains_and_says_how_to_run_it_again(corpus: Path, tmp_path: Path) -> None:
    """Through submitit, which a cluster's jobs go through as well; here they are processes of this machine."""
    training = Training(corpus / "data", tmp_path / "single", "tera")
    overrides = [text for text in training.command("task.budget.updates=1") if not text.startswith(("hydra.run", "model."))]
    study = tmp_path / "study"
    job = ["hydra/launcher=submitit_local", "size=30", f"hydra.sweep.dir={study}"]
    check(run(["fairseq-hydra-train", "-m", *overrides, *job], tmp_path))
    record = json.loads((study / "tera-30-0" / "record.json").read_text())
    assert (record["size"], record["spent"]["updates"]) == ("30", 1)
    command = shlex.split(record["command"])
    assert command[:5] == ["fairseq-hydra-train", "--config-dir", "recipes", "--config-name", "tera"]
    assert {"size=30", "task.budget.updates=1", f"hydra.run.dir={study / 'tera-30-0'}"} <= set(command)
