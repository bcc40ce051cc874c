"""What a task of SUPERB is made of: its names, what is measured, which checkpoint counts, what it needs and who scores it.

Every number that s3prl's experts log while they evaluate is a line of ``scores.jsonl`` in the run's experiment folder (see
`scores.py`), keyed by split and metric; a task says which of them are a task's scores and how they become the numbers
of the papers' tables.  Values and protocol: SUPERB (Yang et al. 2021) as s3prl 0.4.18 has it, in each task's expert and in
s3prl/downstream/docs/superb.md.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3prl_upstreams.tasks.listing import Listing

Config = dict[str, Any]
Check = Callable[[Namespace, Config], None]
"""Of s3prl's arguments and a run's ``downstream_expert``; raises BudgetError with what to change."""
Fix = Callable[[Config], None]
"""Of a run's whole configuration."""
Lists = Callable[[Config, Collection[str]], Iterator[Listing]]
"""Of a run's ``downstream_expert`` and the splits that it uses; what s3prl's lists and the corpus's own name."""
LeaveOut = Callable[[Config, Path], None]
"""Of a run's ``downstream_expert``, which then names lists of what is there, and the folder to write them to."""
Scorer = Callable[[Namespace, Config], tuple[float, str] | None]
"""Of s3prl's arguments and a run's ``downstream_expert``."""


@dataclass(frozen=True)
class Metric:
    """A number of a task: `key` in ``scores.jsonl``, `column` in the papers' tables.

    s3prl's own number times `factor` is in `unit`.
    """

    key: str
    column: str
    higher_is_better: bool
    factor: float = 100.0
    unit: str = "%"

    def in_units(self, value: float) -> float:
        """s3prl's own number as the papers print it."""
        return value * self.factor

    def as_dict(self) -> dict[str, Any]:
        """For a record, whose numbers times `factor` are in `unit`."""
        return {
            "metric": self.key,
            "higher_is_better": self.higher_is_better,
            "factor": self.factor,
            "unit": self.unit,
        }


@dataclass(frozen=True)
class ModelSelection:
    """What s3prl keeps its best checkpoint by: the `metric` (a key of ``scores.jsonl``) of evaluations on `split`.

    The first of equally good steps counts.  A step must be better than `floor`, else s3prl saves no best checkpoint.
    """

    split: str
    metric: str
    higher_is_better: bool
    floor: float
    checkpoint: str


@dataclass(frozen=True)
class Task:
    """A task of SUPERB.

    `downstream` is s3prl's ``-d``, `recipe` a file in ``recipes/superb``.  `metrics` are the published ones, the first being
    the task's main one, read from `test_split` (s3prl's ``-t``).  `selection` is None where nothing is chosen on a
    development split: ASV has none (the best of its ``states-*.ckpt`` on test is reported, official protocol), QbE doesn't
    train.  `variants` are runs whose test scores are averaged: a name and what ``-o`` sets for it.  `trains` is False where
    layers of the upstream are evaluated one by one (``-l``), the best on `dev_split` being reported on `test_split`.
    `corpora` are the environment variables that the recipe's paths use.

    `paths` are those under ``downstream_expert`` (dotted keys), with what each, or each of a list, must be.  `checks` look
    for what s3prl would fail at late.  `lists` are compared with the files; `leave_out` makes a run go on without those that
    are missing, where s3prl's own reading doesn't.  `fixes` put right what the task needs in s3prl, before its expert is
    made.  `scorer` computes a score that s3prl leaves to others, with a remark, or None for a split that isn't scored.
    `is_meant` tells tasks with the same `downstream` apart, by the run's ``downstream_expert``.  `corpus` is what a record
    tells of a corpus that is the user's own, with a `digest`.  `seconds` is what an utterance of a training batch lasts,
    rather less than the corpus's mean: so much memory a batch takes at least.
    """

    name: str
    title: str
    downstream: str
    recipe: str
    metrics: tuple[Metric, ...]
    selection: ModelSelection | None
    corpora: tuple[str, ...]
    dev_split: str | None = "dev"
    test_split: str = "test"
    variants: Mapping[str, str] = field(default_factory=dict)
    trains: bool = True
    paths: Mapping[str, Callable[[Path], bool]] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    lists: Lists | None = None
    leave_out: LeaveOut | None = None
    fixes: tuple[Fix, ...] = ()
    scorer: Scorer | None = None
    is_meant: Callable[[Config], bool] = lambda expert: True
    corpus: Callable[[Config], dict[str, Any]] | None = None
    seconds: float = 1.0

    @property
    def main(self) -> Metric:
        """The metric that the task is known by."""
        return self.metrics[0]
