"""What is timed: a recipe, a batch, a precision and a device; the same for every implementation of a comparison."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from fairseq.dataclass.initialize import add_defaults, hydra_init
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.arithmetic.model_config import ModelConfig
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import get_size
from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.errors import ConfigError
from fairseq_budget.frontends import DEFAULT, get_frontend
from fairseq_budget.objectives import get_objective, model_config
from fairseq_budget.planning.machine import check_precision, open_device
from fairseq_budget.planning.steps import Batch, noise_batch
from fairseq_budget.recipes import recipes_dir

LEARNING_RATE = 1e-6
"""Small, so that a few updates on noise don't spoil a model: the time of an update doesn't depend on it."""


@dataclass(frozen=True)
class Workload:
    """A training step: which model learns in which precision from how much audio, and where."""

    objective: str
    size: str
    precision: str
    utterances: int
    samples: int
    """Of each utterance."""
    device_name: str
    overrides: tuple[str, ...] = ()
    """Of the recipe, as on the command line of fairseq-hydra-train."""
    seed: int = 0
    frontend: str = DEFAULT

    def validate(self) -> Workload:
        """The workload itself.

        Raises:
            ConfigError: an unknown name, a device that isn't there, no audio.
        """
        get_objective(self.objective)
        get_size(self.size)
        get_frontend(self.frontend)
        check_precision(self.precision, self.device)
        if self.utterances < 1 or self.shape.frames(self.samples) < 1:
            raise ConfigError(
                f"a batch needs an utterance of at least {self.shape.shortest_crop} samples, but is {self.utterances} of "
                f"{self.samples}: raise `--batch` or `--seconds`"
            )
        return self

    def within(self, precision: str) -> Workload:
        """The same in another precision."""
        return replace(self, precision=precision)

    @property
    def device(self) -> torch.device:
        return open_device(self.device_name)

    @property
    def recipe(self) -> DictConfig:
        return compose_recipe(self.objective, self.size, (f"frontend={self.frontend}", *self.overrides))

    @property
    def model(self) -> ModelConfig:
        return model_config(self.objective, self.recipe.model)

    @property
    def shape(self) -> ModelShape:
        return self.model.shape()

    @property
    def flops(self) -> int:
        """Model FLOPs of a step, by the closed form: of this project's model, whoever computes it."""
        return self.utterances * training_flops(self.shape, [self.samples])

    @property
    def audio_seconds(self) -> float:
        return self.utterances * self.samples / SAMPLE_RATE

    def batch(self, number: int) -> Batch:
        """The batch of a step, on the CPU: the same for every implementation."""
        return noise_batch(self.shape, self.utterances, self.samples, self.seed + number)


@lru_cache(maxsize=64)
def compose_recipe(objective: str, size: str, overrides: tuple[str, ...], device: str = "cpu") -> DictConfig:
    """A recipe as fairseq-hydra-train reads it, every interpolation resolved; `device` is a choice of the recipes' group.

    Whoever changes it, as fairseq's trainer does, takes a copy.
    """
    name = get_objective(objective).recipe
    hydra_init(name)
    given = [f"size={size}", f"device={device}", f"optimization.lr=[{LEARNING_RATE}]"]
    given += [] if any(override.startswith("task.data=") for override in overrides) else ["task.data=none"]
    with warnings.catch_warnings(), initialize_config_dir(str(recipes_dir()), version_base="1.1"):
        warnings.simplefilter("ignore")  # Hydra's, of what fairseq does
        cfg = compose(name, overrides=["data=folder", *given, *overrides])
    add_defaults(cfg)
    container: Any = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
    return OmegaConf.create(container)
