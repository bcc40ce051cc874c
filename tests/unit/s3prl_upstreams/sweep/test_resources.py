"""What batches of a task take, with the upstream frozen and trained."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from s3prl_upstreams.sweep.resources import watch
from s3prl_upstreams.sweep.settings import SweepSettings


@pytest.mark.parametrize("rate", [None, 1e-4])
def test_batches_go_on_from_one_epoch_to_the_next(plan: Callable[..., SweepSettings], rate: float | None) -> None:
    """Three batches of four are an epoch."""
    numbers = count(100)
    batches, trace = watch(plan(upstream_rate=rate), 4, lambda: next(numbers))
    assert [one.utterances for one in batches] == [4] * 4
    assert all(one.step_seconds and 0 < one.audio_seconds < 4 for one in batches)
    assert trace and [used for _, used in trace] == list(range(1, len(trace) + 1)), "beyond what was used at the beginning"
    assert sorted(trace) == trace


def test_where_memory_is_not_told_there_is_no_trace(plan: Callable[..., SweepSettings]) -> None:
    batches, trace = watch(plan(), 1, lambda: None)
    assert len(batches) == 1 and not trace
