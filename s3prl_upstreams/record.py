"""The row that a downstream run leaves behind: ``record.json`` in its experiment folder."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.records.base import FILE
from fairseq_budget.records.downstream import DownstreamRecord, Incomplete
from fairseq_budget.records.names import UNTRAINED
from fairseq_budget.records.provenance import versions
from s3prl_upstreams import completeness, scores
from s3prl_upstreams.host import stored
from s3prl_upstreams.scores import Score
from s3prl_upstreams.tasks import Metric, Task, task_of
from s3prl_upstreams.upstreams.batches import ONE_BY_ONE
from s3prl_upstreams.upstreams.expert import UNTRAINED_OBJECTIVE
from s3prl_upstreams.upstreams.hubconf import UNTRAINED_PREFIX, UPSTREAMS, WITHOUT_CHECKPOINT


def write(
    args: Namespace, config: dict[str, Any], wall_seconds: float, command: str, padding: float | None = None
) -> Path | None:
    """Write the record of a finished training run and return its path; None for a task that is not in the table.

    `args` and `config` are s3prl's own; the scores are those in the experiment folder.  `padding` says by how much padded
    batches changed the upstream's features.
    """
    task = task_of(args.downstream, config)
    if task is None:
        return None
    folder = Path(args.expdir)
    record = DownstreamRecord.of(
        task=task.name,
        **upstream_of(args),
        unfrozen=bool(args.upstream_trainable),
        **task.main.as_dict(),
        **measured(task, folder),
        **mark(config),
        **corpus(task, config),
        **batches(padding, bool(config.get(ONE_BY_ONE))),
        steps=int(config["runner"]["total_steps"]),
        lr=float(config["optimizer"]["lr"]),
        wall_seconds=round(wall_seconds, 1),
        versions=versions(("s3prl", "torch", "torchaudio")),
        command=command,
    )
    return record.write(folder / FILE)


def add_test(args: Namespace, config: dict[str, Any]) -> None:
    """After a checkpoint was evaluated: put what is measured now into the record of its run, if there is one."""
    path, task = Path(args.expdir, FILE), task_of(args.downstream, config)
    if task is not None and path.exists():
        record = DownstreamRecord.read(path)
        if record.task == task.name:
            record.model_copy(update={**measured(task, path.parent), **mark(config)}).write(path)


def mark(config: dict[str, Any]) -> dict[str, Any]:
    """`incomplete`, if files of the corpus were left out; `hidden_states`, if a store has rounded them; else nothing."""
    found = config.get(completeness.MARK)
    incomplete = {} if found is None else {completeness.MARK: Incomplete(**found)}
    return incomplete | ({stored.MARK: config[stored.MARK]} if stored.MARK in config else {})


def corpus(task: Task, config: dict[str, Any]) -> dict[str, Any]:
    """`corpus`, if it is the user's own; else nothing."""
    return {} if task.corpus is None else {"corpus": task.corpus(config["downstream_expert"])}


def batches(padding: float | None, one_by_one: bool) -> dict[str, Any]:
    """`padding`, if padded batches changed the upstream's features, or `one_by_one`, if there were none; else nothing."""
    return {"one_by_one": True} if one_by_one else {} if padding is None else {"padding": padding}


def measured(task: Task, folder: Path) -> dict[str, Any]:
    """`dev` and `test` in the main metric (s3prl's own numbers), the `step` chosen on dev, and `scores` as papers have them.

    The test score is that of the checkpoint that the protocol tests, once it was evaluated; before that, of the same step
    while training, if s3prl evaluated that; for a task without a development split, the best of all checkpoints.
    """
    found, selection, step, dev = scores.read(folder), task.selection, None, None
    if selection is not None:
        on_dev = [score for score in found if score.split == selection.split and score.step is not None]
        chosen = scores.best(found, selection) or max(on_dev, key=lambda score: score.step or 0, default=None)
        step = chosen.step if chosen else None
        dev = next((score.value for score in on_dev if (score.metric, score.step) == (task.main.key, step)), None)
    names = {path.name for path in scores.checkpoints_to_test(task, folder)}
    on_test = [score for score in found if score.split == task.test_split]
    final = [score for score in on_test if score.checkpoint in names]
    eligible = final or [score for score in on_test if score.step is not None and score.step == step]
    tested = {metric.key: _best_of(metric, eligible) for metric in task.metrics}
    printed = {m.column: m.in_units(value) for m in task.metrics if (value := tested[m.key]) is not None}
    return {"dev": dev, "test": tested[task.main.key], "step": step, "scores": printed}


def _best_of(metric: Metric, eligible: Sequence[Score]) -> float | None:
    choose = max if metric.higher_is_better else min
    return choose((score.value for score in eligible if score.metric == metric.key), default=None)


def upstream_of(args: Namespace) -> dict[str, str | None]:
    """Name, objective, size and checkpoint of the upstream; other people's upstreams stand for their own objective."""
    row = {"upstream": args.upstream, "objective": args.upstream, "size": None, "checkpoint": args.upstream_ckpt}
    if args.upstream in WITHOUT_CHECKPOINT:
        row |= {"objective": UNTRAINED + UNTRAINED_OBJECTIVE, "size": args.upstream.removeprefix(UNTRAINED_PREFIX)}
    elif args.upstream in UPSTREAMS:
        pretrained = load_pretrained(args.upstream_ckpt)
        objective = pretrained.objective if args.upstream != "random_local" else UNTRAINED + pretrained.objective
        row |= {"objective": objective, "size": pretrained.size.name if pretrained.size else None}
        row["checkpoint"] = str(Path(args.upstream_ckpt).resolve())
    return row
