"""Kernels that an update starts on a GPU, and times that the host waits for it, counted without one.

fairseq's own trainer makes the update (:mod:`fairseq_budget.bench.imaginary`): forward and backward pass, clipping,
optimizer, and what is logged of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairseq import metrics

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.bench.imaginary import imaginary_cuda
from fairseq_budget.bench.samples import run_on_noise, training_sample
from fairseq_budget.frontends import DEFAULT

RECIPES = {"fp16": ("cuda",), "bf16": ("cuda_bf16",), "fp32": ("cuda", "common.fp16=false")}
"""The recipes' device of each precision, and what else is set."""


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
    with imaginary_cuda() as imagined:
        run = run_on_noise(objective, size, frontend, [*settings, *overrides], device)
        with metrics.aggregate(new_root=True):
            for number in range(2):
                imagined.restart()
                run.trainer.train_step([training_sample(run, objective, utterances, samples, number, padded)])
    operations = dict(imagined.launches.most_common())
    return Launches(sum(operations.values()), sum(imagined.waits.values()), operations, run.task.network.encoder.layers_run)


PUBLISHED = (6, round(14.58 * SAMPLE_RATE))
"""Utterances and samples of each: 87.5 s, a rank's batch of Liu et al. 2024."""
