"""What may be chance."""

from __future__ import annotations

import math

import pytest

from fairseq_budget.report.noise import axis_limits, item_error


def test_the_bootstrap_finds_the_standard_error_of_a_mean() -> None:
    items = {str(place): 100.0 * (place % 4 == 0) for place in range(400)}
    assert item_error(items) == pytest.approx(100 * math.sqrt(0.25 * 0.75 / 400), rel=0.1)
    assert item_error({"a": 1.0}) is None


def test_items_that_are_hard_for_everyone_make_no_noise() -> None:
    first = {str(place): 100.0 * (place % 2) for place in range(100)}
    second = first | {"0": 100.0}
    assert item_error(first, second) == pytest.approx(1.0, rel=0.15)


def test_an_axis_is_as_wide_as_noise_or_a_share_of_the_values() -> None:
    low, high = axis_limits([4.0, 4.1], 0.1)
    assert high - low > 1.2
    low, high = axis_limits([4.0, 4.01], None)
    assert high - low > 0.2
    assert axis_limits([0.0, 10.0], 0.1) == pytest.approx((-1.2, 11.2))
