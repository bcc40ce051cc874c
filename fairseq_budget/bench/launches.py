"""Kernels that an update starts on a GPU, and times that the host waits for it, counted without one.

fairseq's own trainer makes the update (:mod:`fairseq_budget.bench.imaginary`): forward and backward pass, clipping,
optimizer, and what is logged of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from fairseq import metrics

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.bench.imaginary import imaginary_cuda
from fairseq_budget.bench.training import TimedRun, build_run
from fairseq_budget.data.labels import DICTIONARY_NAME
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.objectives import get_objective
from fairseq_budget.planning.steps import Batch, inputs_of, noise_batch

RECIPES = {"fp16": ("cuda",), "bf16": ("cuda_bf16",), "fp32": ("cuda", "common.fp16=false")}
"""The recipes' device of each precision, and what else is set."""
CLUSTERS, LABEL_RATE = 500, 50


@dataclass(frozen=True)
class Launches:
    """Of one update, the second of a run: the first also makes what the optimizer keeps."""

    kernels: int
    """That are started, at least."""
    waits: int
    """Of the host for the GPU: fairseq's own are among them."""
    operations: dict[str, int]
    """Kernels by operation, the most frequent first."""
    layers: int
    """Of the Transformer, that LayerDrop left of the last batch."""


def count_launches(
    objective: str,
    size: str,
    precision: str,
    utterances: int,
    samples: int,
    padded: bool = False,
    overrides: Sequence[str] = (),
    frontend: str = DEFAULT,
) -> Launches:
    """Train for two updates of one batch each; where it is `padded`, one utterance is a tenth shorter."""
    device, *settings = RECIPES[precision]
    with tempfile.TemporaryDirectory() as folder, imaginary_cuda() as imagined:
        settings += [f"frontend={frontend}", "optimization.update_freq=[1]", *_labels(objective, Path(folder)), *overrides]
        run = build_run(objective, size, settings, device)
        run.task.datasets["train"] = SimpleNamespace(epoch=1, filled=0.0)  # type: ignore[assignment]
        with metrics.aggregate(new_root=True):
            for number in range(2):
                imagined.restart()
                run.trainer.train_step([_sample(run, objective, utterances, samples, padded, number)])
    operations = dict(imagined.launches.most_common())
    return Launches(sum(operations.values()), sum(imagined.waits.values()), operations, run.task.network.encoder.layers_run)


def _labels(objective: str, folder: Path) -> list[str]:
    """Settings of labels that nobody reads, where the objective needs some."""
    if not get_objective(objective).needs_labels:
        return []
    (folder / DICTIONARY_NAME).write_text("".join(f"{cluster} 1\n" for cluster in range(CLUSTERS)), encoding="utf-8")
    return [f"task.label_dir={folder}", f"task.label_rate={LABEL_RATE}"]


def _sample(run: TimedRun, objective: str, utterances: int, samples: int, padded: bool, seed: int) -> dict[str, Any]:
    """A batch as the task's dataset has it."""
    batch = noise_batch(run.task.network.model_shape, utterances, samples, seed)
    heard = np.full(utterances, samples)
    inputs: dict[str, Any] = inputs_of(objective, Batch(batch.source, batch.labels))
    if padded:
        heard[0] -= samples // 10
        inputs["lengths"] = heard
    return {"id": np.arange(utterances), "samples": heard, "net_input": inputs}


PUBLISHED = (6, round(14.58 * SAMPLE_RATE))
"""Utterances and samples of each: 87.5 s, a rank's batch of Liu et al. 2024."""
