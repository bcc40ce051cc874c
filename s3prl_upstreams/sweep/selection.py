"""Which step of a trial, which trial of a task, and which trials are given up early."""

from __future__ import annotations

import math
from collections.abc import Sequence

from s3prl_upstreams import scores
from s3prl_upstreams.scores import Score
from s3prl_upstreams.sweep.trials import Trial
from s3prl_upstreams.tasks import ModelSelection


def rungs(total_steps: int, eval_step: int, trials: int) -> dict[int, int]:
    """Successive halving (Jamieson and Talwalkar 2016): after which step how many trials stay.

    Each halving keeps the better half, rounded up, until one is left; the last is at half of the steps, the one before at a
    quarter, and so on, each at the next evaluation.  Where two fall on one evaluation the later counts.
    """
    keep, kept = [], trials
    while kept > 1:
        kept = math.ceil(kept / 2)
        keep.append(kept)
    found: dict[int, int] = {}
    for place, number in enumerate(keep):
        share = total_steps / 2 ** (len(keep) - place)
        found[max(1, math.ceil(share / eval_step)) * eval_step] = number
    return found


def best(found: Sequence[Score], selection: ModelSelection, until: int | None = None) -> Score | None:
    """The evaluation that counts for a trial, of those up to a step: the one that s3prl keeps as the best.

    Where none was better than s3prl's floor (an accuracy of 0, say), the last one; None if there was none that is a number.
    """
    wanted = (selection.split, selection.metric)
    mine = [score for score in found if (score.split, score.metric) == wanted and score.step is not None]
    mine = [score for score in mine if math.isfinite(score.value) and (until is None or (score.step or 0) <= until)]
    return scores.best(mine, selection) or max(mine, key=lambda score: score.step or 0, default=None)


def ranked(values: Sequence[float | None], higher_is_better: bool) -> list[int]:
    """Places of the values from best to worst; of equal ones the first comes first, None comes last."""
    sign = -1 if higher_is_better else 1
    known = [place for place, value in enumerate(values) if value is not None]
    unknown = [place for place, value in enumerate(values) if value is None]
    return sorted(known, key=lambda place: sign * (values[place] or 0.0)) + unknown


def drop_losers(trials: Sequence[Trial], selection: ModelSelection, step: int, keep: int) -> None:
    """Give up all but the `keep` best of the trials that still learn, by the best evaluation so far."""
    learning = [trial for trial in trials if trial.active]
    found = [best(scores.read(trial.folder), selection, until=step) for trial in learning]
    order = ranked([score.value if score else None for score in found], selection.higher_is_better)
    for place in order[keep:]:
        learning[place].dropped = step
