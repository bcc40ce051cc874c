"""From trained trials to a task's published number.

Most tasks: the learning rate and the step are those that did best on the development split, and that one checkpoint is
tested.  ASV has no development split: the checkpoints of every trial are tested, and the lowest error counts, as s3prl's
authors have it.  ER: the learning rate is the one with the best mean over the folds, the score the mean of its tests.  QbE
learns nothing: see `layers.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from fairseq_budget.errors import BudgetError
from s3prl_upstreams import record
from s3prl_upstreams.sweep import rows
from s3prl_upstreams.sweep.run import SweepRun
from s3prl_upstreams.sweep.selection import ranked
from s3prl_upstreams.sweep.settings import SweepSettings
from s3prl_upstreams.sweep.shared import Report


def sweep_task(settings: SweepSettings, report: Report) -> None:
    """Train what isn't trained, choose, test, and write the records.

    Raises:
        BudgetError: no trial has a score to be chosen by.
    """
    runs = [SweepRun(settings, variant, report) for variant in settings.variants]
    try:
        for run in runs:
            run.train()
            if len(runs) > 1:  # each fold has audio of its own in memory
                run.release()
        chosen = _choose_and_test(settings, runs) if settings.test else None
        rows.write(settings, runs, chosen)
    finally:
        for run in runs:
            run.release()


def _choose_and_test(settings: SweepSettings, runs: Sequence[SweepRun]) -> float:
    candidates = [rate for rate in settings.rates if all(run.outcomes()[rate].finished for run in runs)]
    if settings.superb.selection is None:
        for run in runs:
            run.test(candidates)
        return _choose(settings, runs, candidates)
    chosen = _choose(settings, runs, candidates)
    for run in runs:
        run.test([chosen])
        if len(runs) > 1:
            run.release()
    return chosen


def _choose(settings: SweepSettings, runs: Sequence[SweepRun], candidates: Sequence[float]) -> float:
    values = [_value(settings, runs, rate) for rate in candidates]
    better = settings.superb.selection or settings.superb.main
    order = ranked(values, better.higher_is_better)
    if not order or values[order[0]] is None:
        errors = [outcome.failed for run in runs for outcome in run.outcomes().values() if outcome.failed]
        errors += [error for run in runs for error in run.test_errors.values()]
        reason = f"; the first error: {errors[0]}" if errors else ""
        raise BudgetError(f"`{settings.task}`: no learning rate has a score to be chosen by{reason}")
    return candidates[order[0]]


def _value(settings: SweepSettings, runs: Sequence[SweepRun], rate: float) -> float | None:
    """What a learning rate is chosen by, averaged over variants."""
    if settings.superb.selection is None:
        found = [record.measured(run.task, run.trial_folder(rate))["test"] for run in runs]
    else:
        best = [run.best_on_dev(rate) for run in runs]
        found = [score.value if score else None for score in best]
    return None if None in found else fmean(found)
