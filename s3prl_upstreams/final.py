"""Scores that s3prl leaves to scripts of other people, computed after it has evaluated: SD's and QbE's."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from s3prl_upstreams import der, mtwv, scores
from s3prl_upstreams.scores import Score
from s3prl_upstreams.tasks import task_of

Config = dict[str, Any]


def score(args: Namespace, config: Config, checkpoint: str | None = None) -> Score | None:
    """The published score of what s3prl has just evaluated, added to ``scores.jsonl`` and printed.

    None for a task whose expert computes it itself, and for a split that isn't scored.  `args` and `config` are s3prl's own;
    `checkpoint` is the name of the file that was evaluated.
    """
    task = task_of(args.downstream, config)
    compute = None if task is None else SCORERS.get(task.name)
    found = None if compute is None else compute(args, config["downstream_expert"])
    if task is None or found is None:
        return None
    value, remark = found
    result = Score(args.evaluate_split, task.main.key, value, checkpoint=checkpoint)
    scores.append(Path(args.expdir), result)
    print(f"{result.split} {result.metric}: {result.value} ({remark})")
    return result


def _error_rate(args: Namespace, expert: Config) -> tuple[float, str] | None:
    """SD's diarization error rate; only of the test split, whose predictions are saved."""
    if args.evaluate_split != "test":
        return None
    folder = Path(args.expdir)
    shift = int((folder / "frame_shift").read_text(encoding="utf-8"))
    reference = Path(expert["loaderrc"]["test_dir"], "rttm")
    value, threshold, median = der.error_rate(folder / "scoring" / "predictions", reference, shift)
    return value, f"threshold {threshold}, median filter {median}"


def _term_weighted_value(args: Namespace, expert: Config) -> tuple[float, str]:
    """QbE's maximum term-weighted value; s3prl takes every split but dev for the corpus's eval."""
    split = "dev" if args.evaluate_split == "dev" else "eval"
    reference = Path(expert["datarc"]["dataset_root"], "scoring", f"groundtruth_quesst14_{split}")
    value, threshold = mtwv.score(Path(args.expdir, "benchmark.stdlist.xml"), reference)
    return value, f"threshold {threshold:.4f}"


SCORERS: dict[str, Callable[[Namespace, Config], tuple[float, str] | None]] = {
    "sd": _error_rate,
    "qbe": _term_weighted_value,
}
"""By task."""
