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
from fairseq_budget.data.transcripts.folder import make_transcripts
from fairseq_budget.objectives import get_objective
from fairseq_budget.planning.steps import inputs_of, noise_batch

CLUSTERS, LABEL_RATE = 500, 50
TRANSCRIPT = "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG"
"""Of every utterance that is to be recognised; the number of its units goes by the length of the batch."""


def run_on_noise(objective: str, size: str, frontend: str, overrides: Sequence[str], device: str) -> TimedRun:
    """A run without a corpus, of one batch an update; the recipe of `device` is its device."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"frontend={frontend}", "optimization.update_freq=[1]", *_label_settings(objective, Path(folder))]
        run = build_run(objective, size, [*settings, *overrides], device)
    run.task.datasets["train"] = SimpleNamespace(filled=0.0)
    return run


def _label_settings(objective: str, folder: Path) -> list[str]:
    """Settings of labels that nobody reads, where the objective needs some; their dictionary is written to `folder`."""
    chosen = get_objective(objective)
    if not chosen.needs_labels:
        return []
    if not chosen.pretrains:
        (folder / "train.tsv").write_text(f"{folder}\nnoise.wav\t16000\n", encoding="utf-8")
        (folder / "text").write_text(f"noise {TRANSCRIPT}\n", encoding="utf-8")
        make_transcripts(folder, ["train"], text=folder / "text")
        return [f"task.transcripts={folder}"]
    (folder / DICTIONARY_NAME).write_text("".join(f"{cluster} 1\n" for cluster in range(CLUSTERS)), encoding="utf-8")
    return [f"task.label_dir={folder}", f"task.label_rate={LABEL_RATE}"]


def training_sample(
    run: TimedRun, objective: str, utterances: int, samples: int, seed: int, padded: bool = False
) -> dict[str, Any]:
    """A batch of equally long utterances; where it is `padded`, one is a tenth shorter.

    To be recognised are random units, one for ten frames.
    """
    heard = np.full(utterances, samples)
    inputs: dict[str, Any] = inputs_of(objective, noise_batch(run.task.network.model_shape, utterances, samples, seed))
    if not get_objective(objective).pretrains:
        inputs["target"] = inputs["target"][:, ::10]
        inputs["target_lengths"] = np.full(utterances, inputs["target"].shape[1])
    if padded:
        heard[0] -= samples // 10
        inputs["lengths"] = heard
    return {"id": np.arange(utterances), "samples": heard, "new": heard, "net_input": inputs}
