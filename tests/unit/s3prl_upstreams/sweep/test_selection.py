"""Which step, which trial, which trials are given up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3prl_upstreams.scores import Score
from s3prl_upstreams.sweep.selection import best, ranked, rungs
from s3prl_upstreams.tasks import get_task

ACCURACY = get_task("ks").selection
ERRORS = get_task("asr").selection


def on_dev(*values: float, split: str = "dev", metric: str = "acc") -> list[Score]:
    return [Score(split, metric, value, step) for step, value in enumerate(values, start=1)]


def test_halving_of_five_trials() -> None:
    """Three, two and one are left at an eighth, a quarter and half of the steps."""
    assert rungs(200000, 5000, 5) == {25000: 3, 50000: 2, 100000: 1}
    assert rungs(200000, 5000, 1) == {}
    assert rungs(30, 10, 5) == {10: 2, 20: 1}


@given(st.integers(1, 1000), st.integers(1, 50), st.integers(1, 12))
def test_halving_ends_with_one_trial_at_an_evaluation(evaluations: int, every: int, trials: int) -> None:
    found = rungs(evaluations * every, every, trials)
    assert all(step % every == 0 and 0 < step <= evaluations * every for step in found)
    left = [found[step] for step in sorted(found)]
    assert left == sorted(left, reverse=True) and len(set(left)) == len(left)
    assert trials == 1 or left[-1] == 1


def test_the_first_of_equally_good_steps_counts() -> None:
    assert best(on_dev(0.2, 0.5, 0.5), ACCURACY) == Score("dev", "acc", 0.5, 2)
    assert best(on_dev(90.0, 70.0, 70.0, split="dev-clean", metric="wer"), ERRORS).step == 2


def test_only_steps_so_far_count() -> None:
    assert best(on_dev(0.2, 0.5, 0.9), ACCURACY, until=2).value == 0.5


def test_other_scores_are_left_aside() -> None:
    others = [Score("dev", "loss", 9.0, 1), Score("test", "acc", 1.0, 1), Score("dev", "acc", 1.0, None, "dev-best.ckpt")]
    assert best(others, ACCURACY) is None
    assert best([*others, *on_dev(0.1)], ACCURACY).value == 0.1


def test_without_a_step_above_the_floor_the_last_one_counts() -> None:
    """s3prl saves no best checkpoint then, and the last states file stands in."""
    assert best(on_dev(0.0, 0.0), ACCURACY).step == 2
    assert best(on_dev(100.0, 100.0, split="dev-clean", metric="wer"), ERRORS).step == 2
    assert best(on_dev(math.nan, math.nan), ACCURACY) is None


@pytest.mark.parametrize(("higher", "expected"), [(True, [2, 0, 3, 1]), (False, [0, 3, 2, 1])])
def test_ranks(higher: bool, expected: list[int]) -> None:
    """Of equal ones the first is better; what has no score is worst."""
    assert ranked([1.0, None, 2.0, 1.0], higher) == expected
