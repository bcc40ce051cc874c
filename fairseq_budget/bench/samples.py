"""Batches of noise as the task's dataset has them, for trainers without a corpus."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from fairseq_budget.bench.training import TimedRun, build_run
from fairseq_budget.data.labels import DICTIONARY_NAME
from fairseq_budget.objectives import get_objective
from fairseq_budget.planning.steps import inputs_of, noise_batch

CLUSTERS, LABEL_RATE = 500, 50


def run_on_noise(objective: str, size: str, frontend: str, overrides: Sequence[str], device: str) -> TimedRun:
    """A run without a corpus, of one batch an update; the recipe of `device` is its device."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"frontend={frontend}", "optimization.update_freq=[1]", *_label_settings(objective, Path(folder))]
        run = build_run(objective, size, [*settings, *overrides], device)
    run.task.datasets["train"] = SimpleNamespace(filled=0.0)  # type: ignore[assignment]
    return run


def _label_settings(objective: str, folder: Path) -> list[str]:
    """Settings of labels that nobody reads, where the objective needs some; their dictionary is written to `folder`."""
    if not get_objective(objective).needs_labels:
        return []
    (folder / DICTIONARY_NAME).write_text("".join(f"{cluster} 1\n" for cluster in range(CLUSTERS)), encoding="utf-8")
    return [f"task.label_dir={folder}", f"task.label_rate={LABEL_RATE}"]


def training_sample(
    run: TimedRun, objective: str, utterances: int, samples: int, seed: int, padded: bool = False
) -> dict[str, Any]:
    """A batch of equally long utterances; where it is `padded`, one is a tenth shorter."""
    heard = np.full(utterances, samples)
    inputs: dict[str, Any] = inputs_of(objective, noise_batch(run.task.network.model_shape, utterances, samples, seed))
    if padded:
        heard[0] -= samples // 10
        inputs["lengths"] = heard
    return {"id": np.arange(utterances), "samples": heard, "new": heard, "net_input": inputs}
