"""One task, or one of its variants (a fold of ER): its trials are trained in passes, and those that count are tested."""

from __future__ import annotations

import copy
import shutil
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fairseq_budget.arithmetic.currencies import with_current_names
from fairseq_budget.errors import ConfigError
from s3prl_upstreams import final, scores
from s3prl_upstreams.scores import Score
from s3prl_upstreams.store import demand
from s3prl_upstreams.store.upstream import StoredUpstream
from s3prl_upstreams.store.use import with_store
from s3prl_upstreams.sweep import heads, selection
from s3prl_upstreams.sweep.heads import DownstreamHead, load_checkpoint
from s3prl_upstreams.sweep.lstm import halve
from s3prl_upstreams.sweep.settings import Config, SweepSettings, for_trial, s3prl_settings
from s3prl_upstreams.sweep.shared import Report, SharedPass
from s3prl_upstreams.sweep.spent import TrialSpent, count_head
from s3prl_upstreams.sweep.training import SNAPSHOT, Training
from s3prl_upstreams.sweep.trials import Trial
from s3prl_upstreams.upstreams.means import MeanUpstream, suffice

BLANK = "blank"
"""Folder of the head that doesn't learn; removed at the end."""


def reads_means(settings: SweepSettings, head: DownstreamHead, config: Config) -> bool:
    """Whether a head is given means over time: it reads nothing else, and the user didn't ask for all frames."""
    return settings.pool and head.upstream is None and not config.get("specaug") and suffice(head.expert, head.featurizer)


@dataclass(frozen=True)
class Built:
    """Upstream and first head, with s3prl's arguments and configuration as the expert left them."""

    shared: SharedPass
    args: Namespace
    config: Config


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: an error, the step at which it was given up, or neither; and what its training cost."""

    failed: str | None
    dropped: int | None
    spent: TrialSpent

    @property
    def finished(self) -> bool:
        """Whether it was trained to its last step."""
        return self.failed is None and self.dropped is None


class SweepRun:
    """A task, or a variant of one.  ``test_errors`` and ``test_spent`` are by learning rate, once tested."""

    def __init__(self, settings: SweepSettings, variant: str, report: Report) -> None:
        self.settings, self.variant = settings, variant
        self.report = _named(report, variant) if variant else report
        self.task = settings.superb
        self.folder = settings.folder / variant
        self.test_errors: dict[float, str] = {}
        self.test_spent: dict[float, TrialSpent] = {}

    def trial_folder(self, rate: float) -> Path:
        """s3prl's experiment folder of a trial."""
        return self.settings.trial_folder(rate, self.variant)

    @cached_property
    def plan(self) -> tuple[Namespace, Config]:
        """s3prl's arguments and configuration, the learning rate aside."""
        return s3prl_settings(self.settings, self.folder / BLANK, self.variant)

    @cached_property
    def built(self) -> Built:
        """Upstream and first head, built when they are needed."""
        args, config = copy.deepcopy(self.plan)
        Path(args.expdir).mkdir(parents=True, exist_ok=True)
        upstream, first = heads.build(args, config)
        if self.settings.lstm_precision == "bf16":
            halve(first.expert)
        if first.upstream is None:
            first.one_frame = reads_means(self.settings, first, config)
            options, device = self.settings.store, self.settings.device
            upstream = with_store(
                upstream, lambda: demand.of_training(first.expert, config), options, device, first.one_frame
            )
            if first.one_frame and not isinstance(upstream, StoredUpstream):
                upstream = MeanUpstream(upstream, first.featurizer.tolist)
        own = (self.settings.device, self.settings.seed, self.report, self.settings.pool)
        return Built(SharedPass(upstream, first, *own), args, config)

    def release(self) -> None:
        """Give the memory of :attr:`built` back, and remove the first head's folder."""
        self.__dict__.pop("built", None)
        shutil.rmtree(self.folder / BLANK, ignore_errors=True)

    def train(self) -> None:
        """Train every trial to its end; trials that share a pass go on sharing it."""
        for rates in self._passes():
            trials = [self._trial(rate) for rate in rates]
            Training(self.built.shared, trials, self.task.selection, self.settings.halving).run()

    def _snapshots(self) -> list[dict[str, Any]]:
        return [load_checkpoint(path) for path in sorted(self.folder.glob(f"lr_*/{SNAPSHOT}"))]

    def _passes(self) -> list[tuple[float, ...]]:
        """The passes that aren't finished: those that were begun, and a new one for the rates that are in none."""
        states, rates = self._snapshots(), self.settings.rates
        begun = [tuple(state["rates"]) for state in states if not state["finished"] and {*state["rates"]} & {*rates}]
        stray = sorted({rate for group in begun for rate in group} - {*rates})
        if stray:
            raise ConfigError(
                f"`{self.folder}` has unfinished trials that share a pass with these: "
                f"add {', '.join(f'{rate:g}' for rate in stray)} to `--lr`, or choose another `--out`"
            )
        new = tuple(rate for rate in rates if not any(rate in state["rates"] for state in states))
        return [*begun, *([new] if new else [])]

    def _trial(self, rate: float) -> Trial:
        folder, built = self.trial_folder(rate), self.built
        first = built.shared.first
        shutil.copytree(first.folder, folder, dirs_exist_ok=True)  # what the constructor wrote
        own = for_trial(built.args, built.config, folder, rate)
        return Trial(rate, first.twin(folder), *own, self.settings.upstream_rate)

    def outcomes(self) -> dict[float, Outcome]:
        """Of every trial whose pass is finished."""
        finished = [state for state in self._snapshots() if state["finished"]]
        found = {
            rate: Outcome(outcome["failed"], outcome["dropped"], TrialSpent(**with_current_names(outcome["spent"])))
            for state in finished
            for rate, outcome in zip(state["rates"], state["cells"], strict=True)
        }
        return {rate: found[rate] for rate in self.settings.rates if rate in found}

    def best_on_dev(self, rate: float) -> Score | None:
        """The evaluation that decides for a trial; None without a development split, or a score."""
        chosen = self.task.selection
        return selection.best(scores.read(self.trial_folder(rate)), chosen) if chosen else None

    def test(self, rates: Sequence[float]) -> None:
        """Score, in one pass over the test split, the checkpoints of these trials that the task's protocol wants scored."""
        shared, spent, rate_of = self.built.shared, {}, {}
        for rate in rates:
            self.test_spent[rate] = TrialSpent()
            paths = scores.checkpoints_to_test(self.task, self.trial_folder(rate))
            for path in paths:
                head = shared.first.of_checkpoint(path, path.parent if len(paths) == 1 else path.parent / path.stem)
                count_head(head.expert, self.test_spent[rate])
                spent[head], rate_of[head] = self.test_spent[rate], rate
        shared.restart_clock()
        shared.evaluate(self.task.test_split, spent)
        heads.in_turn(spent, self._score)
        self.test_errors |= {rate_of[head]: head.failed for head in spent if head.failed}

    def _score(self, head: DownstreamHead) -> None:
        """What s3prl leaves to scripts."""
        args = copy.copy(self.built.args)
        args.expdir, args.evaluate_split = str(head.folder), self.task.test_split
        final.score(args, self.built.config, head.checkpoint)


def _named(report: Report, variant: str) -> Report:
    """A report that says which of the variants it's about: each is trained from its first step to its last."""
    return lambda stage, done, of: report(f"{variant} {stage}", done, of)
