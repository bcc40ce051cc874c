"""QbE: nothing is learnt; each layer of the upstream is evaluated on dev, and the best one on test (s3prl's ``-l``).

s3prl's expert keeps the features of all recordings in memory, so layers are evaluated one after the other.  After an
interruption the layers that have a score keep it; what they cost is then no longer known and not in `spent`.
"""

from __future__ import annotations

import copy
import shutil
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairseq_budget.errors import BudgetError
from s3prl_upstreams import final, scores
from s3prl_upstreams.store import demand
from s3prl_upstreams.store.use import with_store
from s3prl_upstreams.sweep import heads, rows
from s3prl_upstreams.sweep.run import BLANK
from s3prl_upstreams.sweep.selection import ranked
from s3prl_upstreams.sweep.settings import Config, SweepSettings, s3prl_settings
from s3prl_upstreams.sweep.shared import Report, SharedPass
from s3prl_upstreams.sweep.spent import TrialSpent, total


@dataclass
class Layer:
    """A layer, its folder, what its evaluation cost, and why there is none."""

    number: int
    folder: Path
    spent: TrialSpent = field(default_factory=TrialSpent)
    error: str | None = None

    def value(self, split: str, metric: str) -> float | None:
        """Its score on a split; None if it has none yet."""
        found = [score.value for score in scores.read(self.folder) if (score.split, score.metric) == (split, metric)]
        return found[-1] if found else None


def sweep_layers(settings: SweepSettings, report: Report) -> None:
    """Evaluate what isn't evaluated, choose, test, and write the records.

    Raises:
        BudgetError: no layer has a score on dev.
    """
    task = settings.superb
    args, config = s3prl_settings(settings, settings.folder / BLANK)
    upstream, first = heads.build(args, config)
    passes = {str(task.dev_split): getattr(first.featurizer, "layer_num", 1)}
    upstream = with_store(upstream, lambda: demand.of_evaluations(first.expert, passes), settings.store, settings.device)
    shared = SharedPass(upstream, first, settings.device, settings.seed, report)
    numbers = range(getattr(first.featurizer, "layer_num", 1))
    layers = [Layer(number, settings.folder / f"layer_{number}") for number in numbers]
    dev, test = str(task.dev_split), task.test_split
    for layer in layers:
        if layer.value(dev, task.main.key) is None:
            _evaluate(shared, layer, dev, args, config)
    values = [layer.value(dev, task.main.key) for layer in layers]
    shutil.rmtree(first.folder, ignore_errors=True)
    best = layers[ranked(values, task.main.higher_is_better)[0]]
    if best.value(dev, task.main.key) is None:
        raise BudgetError(f"`{task.name}`: no layer has a score; the first error: {layers[0].error}")
    if settings.test:
        _evaluate(shared, best, test, args, config)
        _write(settings, layers, best, rows.common(settings, args, config))


def _evaluate(shared: SharedPass, layer: Layer, split: str, args: Namespace, config: Config) -> None:
    """Evaluate a layer on a split and score it."""
    head = shared.first.twin(layer.folder)
    head.featurizer.layer_selection = layer.number
    shared.restart_clock()
    shared.evaluate(split, {head: layer.spent})
    own = copy.copy(args)
    own.expdir, own.evaluate_split = str(layer.folder), split
    heads.in_turn([head], lambda _: final.score(own, config))
    layer.error = head.failed


def _write(settings: SweepSettings, layers: list[Layer], best: Layer, common: dict[str, Any]) -> None:
    """The rows of every layer, and of the task."""
    metric = settings.superb.main
    lines = []
    for layer in layers:
        dev, test = (
            layer.value(str(split), metric.key) for split in (settings.superb.dev_split, settings.superb.test_split)
        )
        line = {"layer": layer.number, "lr": None, "dev": dev, "test": test, "step": None}
        line |= {"error": layer.error, "spent": layer.spent.as_dict(), "chosen": layer is best}
        printed = {} if test is None else {metric.column: metric.in_units(test)}
        rows.save(layer.folder, common | line | {"scores": printed})
        lines.append(line)
        if layer is best:
            chosen = common | line | {"scores": printed}
    spent = total(layer.spent for layer in layers)
    whole = {"spent": spent.as_dict(), "wall_seconds": round(spent.device_seconds, 1), "cells": lines}
    rows.save(settings.folder, chosen | whole)
