"""What the tasks of a sweep can't do here, told together before any of them starts: a package, a corpus, memory."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn

from fairseq_budget.arithmetic.units import SAMPLE_RATE
from fairseq_budget.errors import BudgetError, ConfigError, MissingPackage
from fairseq_budget.extras import install
from fairseq_budget.recipes import recipes_dir
from s3prl_upstreams.sweep.settings import SweepSettings, check, leaves

_GB = 1e9
_BATCH_SIZES = ("batch_size", "train_batch_size", "train_batchsize")
"""How the recipes call the utterances of a training batch."""
_COPIES = 2
"""Of the hidden states: the upstream's, and the stack of them that a featurizer weighs."""


class NoMemory(BudgetError):
    """A batch of a task doesn't fit into the device's memory."""


@dataclass(frozen=True)
class Obstacle:
    """Why a task can't run: of what `kind` it is, and what to do about it."""

    task: str
    kind: str
    message: str
    error: BudgetError

    def as_dict(self) -> dict[str, str]:
        return {"task": self.task, "kind": self.kind, "message": self.message}


def sort_out(
    todo: Sequence[SweepSettings], bytes_per_second: float, free_memory: int | None
) -> tuple[list[SweepSettings], list[Obstacle]]:
    """The settings of tasks that can run, with what is told of their corpora, and everything that keeps others from it.

    `bytes_per_second` is what the upstream's hidden states take, `free_memory` how many bytes the device has for them (None:
    not known).
    """
    possible, obstacles = [], []
    for settings in todo:
        found: list[Obstacle] = []
        for examine in (_packages, check, lambda asked: _memory(asked, bytes_per_second, free_memory)):
            try:
                settings = examine(settings)
            except BudgetError as error:
                found.append(Obstacle(settings.task, _kind(error), str(error), error))
        obstacles += found
        possible += [] if found else [settings]
    return possible, obstacles


def show(obstacles: Sequence[Obstacle], console: Console) -> None:
    """One table of all that can't be done."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("task", "lacks", "what to do"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "what to do")
    for obstacle in obstacles:
        table.add_row(obstacle.task, obstacle.kind, obstacle.message)
    console.print(table, markup=False)


def state_bytes(upstream: nn.Module) -> float:
    """Bytes of all hidden states of an upstream for a second of audio."""
    upstream.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        states = upstream([torch.zeros(SAMPLE_RATE)]).get("hidden_states", ())
    return float(sum(state.numel() * state.element_size() for state in _tensors(states)))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    for inner in value if isinstance(value, list | tuple) else ():
        yield from _tensors(inner)


def _kind(error: BudgetError) -> str:
    for kind, name in ((MissingPackage, "package"), (NoMemory, "memory"), (ConfigError, "setting")):
        if isinstance(error, kind):
            return name
    return "corpus"


def _packages(settings: SweepSettings) -> SweepSettings:
    name = f"s3prl.downstream.{settings.superb.downstream}.expert"
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing = error.name or str(error)
        raise MissingPackage(f"s3prl's `{name}` needs the package {missing}: {install('s3prl')}") from error
    return settings


def _memory(settings: SweepSettings, bytes_per_second: float, free: int | None) -> SweepSettings:
    """By what a batch takes at least: the hidden states of as many utterances of the corpus's usual length."""
    task = settings.superb
    batch = _batch_size(settings)
    needed = _COPIES * batch * task.seconds * bytes_per_second
    if free is not None and needed > free:
        raise NoMemory(
            f"the hidden states of a batch of {batch} take {needed / _GB:.1f} GB and more, and {free / _GB:.1f} GB are free "
            f"on {settings.device}: choose a smaller batch with -o, or another device"
        )
    return settings


def _batch_size(settings: SweepSettings) -> int:
    """Utterances of a training batch."""
    given = re.findall(r"\.(?:train_)?batch_?size=(\d+)", settings.override or "")
    if given:
        return int(given[-1])
    recipe = yaml.safe_load((recipes_dir() / "superb" / settings.superb.recipe).read_text(encoding="utf-8"))
    return max(value for key, value in leaves(recipe) if key.rpartition(".")[2] in _BATCH_SIZES)
