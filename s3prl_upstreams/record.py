"""The row that a downstream run leaves behind: ``record.json`` in its experiment folder."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairseq_budget.modules.pretrained import load_pretrained
from fairseq_budget.provenance import versions, write_record
from s3prl_upstreams.hubconf import UPSTREAMS


@dataclass(frozen=True)
class Scores:
    """The best step on dev, and both splits there; None for what was never evaluated."""

    dev: float | None
    test: float | None
    step: int | None


@dataclass(frozen=True)
class Task:
    """How a task of SUPERB is called, what is measured, and how to read it from the run's ``log.log``."""

    name: str
    metric: str
    higher_is_better: bool
    read: Callable[[str], Scores]


def read_accuracy(log: str) -> Scores:
    """Scores from lines such as ``dev at step 5000: 0.93`` (KS, IC, SID and ER write them).

    Of the steps with the best accuracy on dev the first counts, which is the one that s3prl keeps as dev-best.ckpt.
    """
    found: dict[str, dict[int, float]] = {"dev": {}, "test": {}}
    for split, step, value in re.findall(r"^(dev|test) at step (\d+): (\S+)$", log, flags=re.MULTILINE):
        found[split][int(step)] = float(value)
    if not found["dev"]:
        return Scores(None, None, None)
    best = max(sorted(found["dev"]), key=lambda step: found["dev"][step])
    return Scores(found["dev"][best], found["test"].get(best), best)


TASKS: dict[str, Task] = {"speech_commands": Task("ks", "acc", True, read_accuracy)}
"""By the name of s3prl's task (``-d``)."""


def write(args: Namespace, config: dict[str, Any], log: str, wall_seconds: float, command: str) -> Path | None:
    """Write the record of a finished training run and return its path; None for a task that is not in the table.

    `args` and `config` are s3prl's own, `log` is what the run wrote to ``log.log``.
    """
    if args.downstream not in TASKS:
        return None
    task = TASKS[args.downstream]
    scores = task.read(log)
    record = {
        "kind": "downstream",
        "task": task.name,
        **upstream_of(args),
        "metric": task.metric,
        "higher_is_better": task.higher_is_better,
        "dev": scores.dev,
        "test": scores.test,
        "step": scores.step,
        "steps": int(config["runner"]["total_steps"]),
        "lr": float(config["optimizer"]["lr"]),
        "wall_seconds": round(wall_seconds, 1),
        "versions": versions(("s3prl", "torch", "torchaudio")),
        "command": command,
    }
    return write_record(Path(args.expdir, "record.json"), record)


def upstream_of(args: Namespace) -> dict[str, str | None]:
    """Name, objective, size and checkpoint of the upstream; other people's upstreams stand for their own objective."""
    row = {"upstream": args.upstream, "objective": args.upstream, "size": None, "checkpoint": args.upstream_ckpt}
    if args.upstream in UPSTREAMS:
        pretrained = load_pretrained(args.upstream_ckpt)
        row |= {"objective": pretrained.objective, "size": pretrained.size.name if pretrained.size else None}
        row["checkpoint"] = str(Path(args.upstream_ckpt).resolve())
    return row
