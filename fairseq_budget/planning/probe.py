"""A few real training steps on this machine, and what they say about a plan: time, speed, memory.

For each size a small batch is measured: steps to warm up, then the median of three or more.  From it,

- the time of an update: accumulated batches x (seconds of the loss and its gradients) x (model FLOPs of the plan's batch /
  those of the probe's) + seconds of the optimizer, which don't depend on the batch.  Workers run at the same time; what they
  wait for each other is not in it;
- the memory of a batch (:mod:`fairseq_budget.planning.memory_model`), from a second batch of utterances twice as long.

A size that the time doesn't suffice for is `scaled` from the next smaller one: as many FLOP/s, its memory unknown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.arithmetic.parameters import count_parameters
from fairseq_budget.arithmetic.plan import Setting
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import Size
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends import DEFAULT
from fairseq_budget.objectives import shape_of
from fairseq_budget.planning.machine import warm_up_steps
from fairseq_budget.planning.memory import PeakMemory, available_memory, is_out_of_memory, release_unused
from fairseq_budget.planning.memory_model import FIXED_BYTES, MemoryModel
from fairseq_budget.planning.steps import Phases, TrainingSteps, noise_batch, size_config

MEASURED, SCALED = "measured", "scaled"
FEWEST_STEPS, MOST_STEPS = 3, 20
STEPS_FOR_MEMORY = 2
"""Of two lengths."""
SHORT = 1.0
"""Seconds up to which short steps are repeated."""
MARGIN = 0.85
"""Share of the free memory that a batch may fill which is reckoned and not run: the model is right to a tenth or so."""
SHRINK = 0.9
"""A batch that turned out not to fit is tried again so much smaller."""
TRAINING_BYTES = {"fp32": 16, "bf16": 16, "fp16": 20}
"""Of each parameter at least: itself, its gradient and Adam's two moments in fp32; in fp16 also two half copies."""


@dataclass(frozen=True)
class Probe:
    """What this machine does for one size.  None where it isn't known."""

    how: str
    """`measured`, or `scaled` from the next smaller size."""
    utterances: int
    samples: int
    """Of each utterance of the batch that was measured."""
    seconds: Phases
    """Of a step on that batch."""
    flops_per_second: float
    """Model FLOPs over the seconds of the loss and its gradients."""
    matmul_share: float
    """`flops_per_second` over the machine's rate of matrix products in the same precision."""
    update_seconds: float
    """Of an update of the plan."""
    batch_bytes: int | None = None
    """Peak memory of the batch that was measured."""
    plan_bytes: int | None = None
    """Peak memory of a batch of the plan, by the model."""
    largest_batch: int | None = None
    """Samples of a worker's batch that fit into the memory that is free now, in utterances of the plan's length."""
    largest_batch_ran: bool = False
    """Whether a step of the largest batch was run, or only reckoned."""
    accumulation: int | None = None
    """The fewest batches that a worker accumulates for an update of the plan (`optimization.update_freq`)."""
    max_tokens: int | None = None
    """Samples of each of these (`dataset.max_tokens`), in utterances of the plan's length."""

    def with_batches(self, setting: Setting) -> Probe:
        """The probe with the batches that make up a worker's share of an update; without them where none fits."""
        if not self.largest_batch:
            return self
        utterances = max(setting.accumulation * setting.samples_per_batch // setting.crop, 1)
        accumulation = -(-utterances * setting.crop // self.largest_batch)
        return replace(self, accumulation=accumulation, max_tokens=-(-utterances // accumulation) * setting.crop)


@dataclass(frozen=True)
class Prober:
    """What all sizes are measured with."""

    objective: str
    setting: Setting
    device: torch.device
    precision: str
    matmul_rate: float
    utterances: int
    samples: int
    seconds: float
    """For all sizes together; the smallest is measured in any case."""
    frontend: str = DEFAULT

    def probe(self, sizes: Sequence[Size]) -> list[Probe]:
        """One probe for each size, in the order given; smaller sizes are measured first.

        Raises:
            ConfigError: a batch or a time that tells nothing.
        """
        shapes = [self._shape(size) for size in sizes]
        self._validate(shapes[0])
        probes: dict[int, Probe] = {}
        last: Probe | None = None
        deadline = time.monotonic() + self.seconds
        for index in sorted(range(len(sizes)), key=lambda i: self._flops(shapes[i])):
            quick = last is None or self._quick(shapes[index], last, deadline - time.monotonic())
            probe = self._measured(sizes[index], self.utterances) if quick else None
            last = probes[index] = probe or self._scaled(shapes[index], last)
        return [probes[index] for index in range(len(sizes))]

    def _validate(self, shape: ModelShape) -> None:
        if self.utterances < 1 or self.samples < shape.shortest_crop:
            raise ConfigError(
                f"`--probe-batch` needs at least 1 utterance of {shape.shortest_crop} samples, which give one frame, but is "
                f"{self.utterances} of {self.samples}"
            )
        if not self.seconds > 0:
            raise ConfigError(f"`--probe-seconds` must be positive, but is {self.seconds:g}")

    def _shape(self, size: Size) -> ModelShape:
        return shape_of(self.objective, size, frontend=self.frontend)

    def _flops(self, shape: ModelShape, utterances: int | None = None) -> int:
        """Model FLOPs of a step of the probe."""
        return (utterances or self.utterances) * training_flops(shape, [self.samples])

    def _quick(self, shape: ModelShape, last: Probe, left: float) -> bool:
        """Whether the steps of a size fit into the seconds that are left, if it is as fast as the one before."""
        steps = warm_up_steps(self.device) + FEWEST_STEPS + STEPS_FOR_MEMORY
        return last.how == MEASURED and steps * self._flops(shape) / last.flops_per_second < left

    def _measured(self, size: Size, utterances: int) -> Probe | None:
        """None if not even one utterance fits into memory."""
        free = available_memory(self.device)
        if free is not None and TRAINING_BYTES[self.precision] * count_parameters(self._shape(size)) > free:
            return None
        try:
            return self._measured_batch(size, utterances)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return self._measured(size, utterances // 2) if utterances > 1 else None

    def _measured_batch(self, size: Size, utterances: int) -> Probe:
        memory = PeakMemory(self.device)
        config = size_config(self.objective, size, self.frontend)
        training = TrainingSteps(self.objective, config, self.device, self.precision)
        batch = noise_batch(training.shape, utterances, self.samples, seed=0).to(self.device)
        for _ in range(warm_up_steps(self.device)):
            training.step(batch)
        steps: list[Phases] = []
        while len(steps) < FEWEST_STEPS or (sum(s.step for s in steps) < SHORT and len(steps) < MOST_STEPS):
            steps.append(training.step(batch))
        probe = self._row(training.shape, Phases.median(steps), utterances)
        return probe if memory.bytes() is None else self._with_memory(probe, training, memory)

    def _row(self, shape: ModelShape, seconds: Phases, utterances: int) -> Probe:
        rate = self._flops(shape, utterances) / (seconds.forward + seconds.backward)
        worker_flops = self.setting.flops_per_update(shape) / self.setting.ranks
        update_seconds = worker_flops / rate + seconds.optimizer
        return Probe(
            MEASURED, utterances, self.samples, seconds, rate, rate / self.matmul_rate, update_seconds, batch_bytes=None
        )

    def _with_memory(self, probe: Probe, training: TrainingSteps, memory: PeakMemory) -> Probe:
        """The probe with the memory of its batch, of the plan's, and the largest that fits."""
        shape, setting, crop_frames = training.shape, self.setting, training.shape.frames(self.setting.crop)
        training.model.encoder.layerdrop = 0.0  # most is kept when no layer is skipped
        batches = (probe.utterances, self.samples), (max(probe.utterances // 2, 1), 2 * self.samples)
        first, second = batches
        peaks = self._peak(training, memory, *first), self._peak(training, memory, *second)
        model = MemoryModel.fit(
            count_parameters(shape) * FIXED_BYTES[self.precision],
            (first[0] * first[1], second[0] * second[1]),
            (shape.frames(first[1]), shape.frames(second[1])),
            peaks,
        )
        release_unused(self.device)
        on_gpu = self.device.type == "cuda"
        free = (available_memory(self.device) or 0) * (1.0 if on_gpu else MARGIN)
        largest = model.most_utterances(setting.crop, crop_frames, free)
        while on_gpu and largest and not self._fits(training, largest):
            largest = int(largest * SHRINK)
        return replace(
            probe,
            batch_bytes=peaks[0],
            plan_bytes=model.bytes(setting.samples_per_batch * setting.packing, crop_frames),
            largest_batch=largest * setting.crop,
            largest_batch_ran=on_gpu,
        ).with_batches(setting)

    def _peak(self, training: TrainingSteps, memory: PeakMemory, utterances: int, samples: int) -> int:
        memory.restart()
        training.step(noise_batch(training.shape, utterances, samples, seed=0).to(self.device))
        return memory.bytes() or 0

    def _fits(self, training: TrainingSteps, utterances: int) -> bool:
        try:
            training.step(noise_batch(training.shape, utterances, self.setting.crop, seed=0).to(self.device))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            training.optimizer.zero_grad()
            release_unused(self.device)
            return False
        return True

    def _scaled(self, shape: ModelShape, smaller: Probe | None) -> Probe:
        """As many FLOP/s as a smaller size, in each phase."""
        if smaller is None:
            raise ConfigError("not even the smallest size fits into this machine's memory: choose `--sizes` or a shape")
        seconds = smaller.seconds
        factor = self._flops(shape) / (smaller.flops_per_second * (seconds.forward + seconds.backward))
        scaled = Phases(factor * seconds.forward, factor * seconds.backward, factor * seconds.optimizer)
        return replace(self._row(shape, scaled, self.utterances), how=SCALED)
