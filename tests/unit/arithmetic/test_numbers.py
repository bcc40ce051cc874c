"""Numbers for people."""

from __future__ import annotations

import math

import pytest

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.currencies import show_amounts
from fairseq_budget.report import looks


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.significant(3), "3.0"),
        (numbers.significant(12.44), "12.4"),
        (numbers.significant(1234.5), "1,234"),
        (numbers.significant(-0.0123456), "-0.0123"),
        (numbers.significant(0), "0.0"),
        (numbers.loss(4.2), "4.200"),
        (numbers.loss(24.031), "24.03"),
        (numbers.loss(math.inf), "inf"),
        (numbers.duration(59), "59.0 s"),
        (numbers.duration(744), "12.4 min"),
        (numbers.duration(9e5), "250 h"),
        (numbers.hours(38_912.3), "38,912 h"),
        (numbers.params(20_012_345), "20.0 M"),
        (numbers.params(31_234), "0.031 M"),
        (numbers.of_slim(473.2), "473"),
        (numbers.of_slim(0.1549), "0.15"),
        (numbers.percent(0.4117), "41.2%"),
        (numbers.flops_rate(4.25e10), "42.50 GFLOP/s"),
        (numbers.score(34.5, "%"), "34.5%"),
        (numbers.score(0.07361, ""), "0.07361"),
        (numbers.score(math.nan, "%"), "–"),
        (show_amounts({"flops": 3e12}), "3.00 TFLOP"),
        (show_amounts({"updates": 1000, "hours_heard": 0.5}), "30.0 min heard or 1,000 updates"),
        (show_amounts({"device_hours": 2}), "2.0 h of device time"),
    ],
)
def test_units_and_digits(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    "show", [numbers.significant, numbers.loss, numbers.duration, numbers.hours, numbers.percent, numbers.count,
             numbers.flops_rate]
)  # fmt: skip
def test_no_number_is_a_dash(show: object) -> None:
    assert show(math.nan) == numbers.NOTHING  # type: ignore[operator]


def test_every_size_has_a_colour_of_its_own() -> None:
    sizes = ("30", "50", "70", "small", "slim", "200", "base", "large")
    assert len({looks.size_colour(size) for size in (*sizes, None)}) == 9


def test_objectives_are_told_apart_without_colour() -> None:
    assert len({looks.objective_marker(name) for name in ("hubert", "wav2vec2", "tera", "fbank", "other")}) == 5
