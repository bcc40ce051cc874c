"""Scores that s3prl leaves to scripts of other people, computed after it has evaluated: SD's and QbE's."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from s3prl_upstreams import scores
from s3prl_upstreams.scores import Score
from s3prl_upstreams.tasks import task_of
from s3prl_upstreams.tasks.base import Config


def score(args: Namespace, config: Config, checkpoint: str | None = None) -> Score | None:
    """The published score of what s3prl has just evaluated, added to ``scores.jsonl`` and printed.

    None for a task whose expert computes it itself, and for a split that isn't scored.  `args` and `config` are s3prl's own;
    `checkpoint` is the name of the file that was evaluated.
    """
    task = task_of(args.downstream, config)
    compute = None if task is None else task.scorer
    found = None if compute is None else compute(args, config["downstream_expert"])
    if task is None or found is None:
        return None
    value, remark = found
    result = Score(args.evaluate_split, task.main.key, value, checkpoint=checkpoint)
    scores.append(Path(args.expdir), result)
    print(f"{result.split} {result.metric}: {result.value} ({remark})")
    return result
