"""Which tensor of a batch went bad first: the audio, a weight, a layer's output, the loss, or a gradient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fairseq_budget.plugin.run.seeds import seed_batch

MOST_FILES = 4


@dataclass(frozen=True)
class Diagnosis:
    """What is bad in a batch; a gradient is also where it was summed with another rank's."""

    place: str
    files: str
    in_gradient: bool

    def __str__(self) -> str:
        return f"{self.place}, in the batch of {self.files}"


def first_bad(task: Any, criterion: Any, batch: dict[str, Any]) -> Diagnosis | None:
    """Where a batch first holds what is no number; None for a batch without fault.

    `batch` is one of the update in progress, whose weights haven't changed since it was computed.
    """
    place = _audio(batch) or _weight(task.network) or _output(task, criterion, batch)
    gradient = None if place else _gradient(task.network)
    found = place or gradient
    return None if found is None else Diagnosis(found, _files(task, batch), gradient is not None)


def causes(found: Iterable[Diagnosis | None]) -> list[str]:
    """Of all ranks' findings, those that explain the others: gradients only where nothing else is bad."""
    bad = [finding for finding in found if finding is not None]
    first = [finding for finding in bad if not finding.in_gradient] or bad
    return sorted({str(finding) for finding in first})


def _finite(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    if isinstance(value, list | tuple):
        return all(_finite(item) for item in value)
    return True


def _audio(batch: dict[str, Any]) -> str | None:
    return None if _finite(batch["net_input"]["source"]) else "the audio"


def _weight(network: nn.Module) -> str | None:
    bad = (name for name, weight in network.named_parameters() if not _finite(weight.detach()))
    return next((f"the weight {name}" for name in bad), None)


def _output(task: Any, criterion: Any, batch: dict[str, Any]) -> str | None:
    """The first layer, in the order of computation, whose output is bad; then the loss."""
    found: list[str] = []

    def watch(name: str) -> Any:
        return lambda module, inputs, output: None if _finite(output) else found.append(f"the output of {name}")

    hooks = [module.register_forward_hook(watch(name)) for name, module in task.network.named_modules() if name]
    try:
        seed_batch(task.cfg.seed, task.run.control.updates_done - 1, batch["id"].tolist())
        with torch.no_grad():
            loss = criterion(task.network, batch)[0]
    finally:
        for hook in hooks:
            hook.remove()
    return next(iter(found), None if _finite(loss) else "the loss")


def _gradient(network: nn.Module) -> str | None:
    """Gradients are computed from the last layer to the first; what is bad in one is bad in those before it."""
    parameters = reversed(list(network.named_parameters()))
    bad = (name for name, weight in parameters if weight.grad is not None and not _finite(weight.grad))
    return next((f"the gradient of {name}" for name in bad), None)


def _files(task: Any, batch: dict[str, Any]) -> str:
    ids, manifest = batch["id"].tolist(), task.datasets[task.root.dataset.train_subset].manifest
    named = ", ".join(manifest.where(index) for index in ids[:MOST_FILES])
    return named if len(ids) <= MOST_FILES else f"{named} and {len(ids) - MOST_FILES} more"
