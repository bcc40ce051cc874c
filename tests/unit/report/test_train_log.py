"""Reading fairseq's log."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.report.train_log import History, LogPoint, parse_train_log, place_on_flops
from tests.unit.report.conftest import bare, train_line, valid_line

PREFIXES = ("", "2026-11-21 07:00:00 | INFO | train_inner | ", "[2026-11-21 07:00:00,123][train_inner][INFO] - ")
losses = st.integers(0, 10**5).map(lambda thousandths: thousandths / 1000)
points = st.lists(st.tuples(st.integers(0, 30), losses, st.sampled_from(PREFIXES)))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_both_kinds_of_lines_are_read_behind_every_prefix(prefix: str) -> None:
    lines = [prefix + bare(train_line(10, 6.71, 1.23e12)) + "\n", prefix + bare(valid_line(20, 6.5)) + "\n"]
    assert parse_train_log(lines) == History([LogPoint(10, 6.71, 1.23e12)], [LogPoint(20, 6.5)])


@given(points, points, st.lists(st.text()))
def test_the_last_line_of_an_update_counts_and_points_are_in_order(train: list, valid: list, noise: list[str]) -> None:
    lines = [f"{prefix}{bare(train_line(updates, loss))}" for updates, loss, prefix in train]
    lines += [f"{prefix}{bare(valid_line(updates, loss))}" for updates, loss, prefix in valid]
    history = parse_train_log([*noise, *lines, *noise])
    for parsed, logged in ((history.train, train), (history.valid, valid)):
        expected = {updates: float(f"{loss:g}") for updates, loss, _ in logged}
        assert [(point.updates, point.loss) for point in parsed] == sorted(expected.items())


def test_a_resumed_run_replaces_what_it_repeats() -> None:
    lines = [train_line(10, 6.0), train_line(20, 5.0), valid_line(20, 5.5), train_line(20, 4.0), valid_line(20, 4.5)]
    history = parse_train_log(lines)
    assert [point.loss for point in history.train] == [6.0, 4.0]
    assert [point.loss for point in history.valid] == [4.5]


@pytest.mark.parametrize("end", range(1, 40, 3))
def test_a_line_cut_off_by_a_crash_is_passed_over(end: int) -> None:
    assert parse_train_log([train_line(10, 6.0), train_line(20, 5.0)[:-end]]).train == [LogPoint(10, 6.0)]


@pytest.mark.parametrize(
    "stats",
    [
        {"num_updates": "10"},
        {"num_updates": "10", "loss": "none"},
        {"num_updates": "nan", "loss": "1"},
        {"num_updates": "-3", "loss": "1"},
        {"num_updates": None, "loss": "1"},
        {"num_updates": True, "loss": "1"},
        {"train_num_updates": "10", "train_loss": "6"},
        [{"num_updates": "10", "loss": "1"}],
    ],
)
def test_lines_without_a_usable_pair_of_update_and_loss_are_passed_over(stats: object) -> None:
    assert parse_train_log([json.dumps(stats)]) == History()


def test_a_diverged_loss_stays_in_the_history() -> None:
    assert math.isnan(parse_train_log([train_line(10, math.nan)]).train[0].loss)


def test_validations_are_placed_between_the_training_lines_around_them() -> None:
    history = History(
        [LogPoint(10, 6.0, 1e12), LogPoint(20, 5.0, 3e12)], [LogPoint(5, 7.0), LogPoint(15, 5.5), LogPoint(25, 4.5)]
    )
    placed = place_on_flops(history, updates=30, flops=4e12)
    assert [point.flops for point in placed.valid] == pytest.approx([0.5e12, 2e12, 3.5e12])
    assert placed.train == history.train


def test_without_any_count_updates_are_taken_as_equally_dear() -> None:
    placed = place_on_flops(History([LogPoint(3, 6.0)], [LogPoint(6, 6.0)]), updates=6, flops=3e12)
    assert [placed.train[0].flops, placed.valid[0].flops] == [1.5e12, 3e12]


def test_updates_after_the_record_are_left_out() -> None:
    history = History([LogPoint(10, 6.0, 1e12), LogPoint(40, 3.0, 9e12)], [LogPoint(40, 3.5)])
    assert place_on_flops(history, updates=20, flops=2e12) == History([LogPoint(10, 6.0, 1e12)], [])
