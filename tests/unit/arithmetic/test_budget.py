"""Budgets, the ledger and schedules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.ledger import Cost, Ledger
from fairseq_budget.arithmetic.schedules import (
    check_share,
    check_sum,
    cooldown,
    polynomial,
    polynomial_by_updates,
    tri_stage,
    triangular,
)
from fairseq_budget.errors import ConfigError

COUNTS = st.integers(0, 10**20)


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=20))
def test_ledger_adds_exactly(costs: list[tuple[int, int]]) -> None:
    """Integers beyond a float's 53 bits stay exact."""
    ledger = Ledger()
    for flops, samples in costs:
        ledger.charge(Cost(flops=flops, samples=samples))
    assert ledger.flops == sum(flops for flops, _ in costs)
    assert ledger.samples == sum(samples for _, samples in costs)
    assert ledger.updates == len(costs)


def test_ledger_survives_a_checkpoint() -> None:
    ledger, copy = Ledger(), Ledger()
    ledger.charge(Cost(3, 4, 5, 6, 2, 6.0), ranks=2)
    copy.load_state_dict(ledger.state_dict())
    assert copy == ledger


def test_workers_share_wall_time_and_dropped_updates() -> None:
    ledger = Ledger()
    ledger.charge(Cost(flops=3, skipped_updates=4, device_seconds=6.0), ranks=2)
    assert (ledger.wall_seconds, ledger.device_seconds, ledger.skipped_updates) == (3.0, 6.0, 2)


def test_costs_add_field_by_field() -> None:
    assert Cost(1, 2, 3, 4, 5, 6.0) + Cost(10, 20, 30, 40, 50, 60.0) == Cost(11, 22, 33, 44, 55, 66.0)


def test_the_currency_that_is_furthest_decides() -> None:
    ledger = Ledger(flops=50, samples=16_000 * 3600, updates=1)
    assert Budget({"flops": 100, "hours_heard": 4, "updates": None}).share(ledger) == 0.5
    assert Budget({"flops": 100, "hours_heard": 1}).share(ledger) == 1.0


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({}, "a budget is needed"),
        ({"flops": None}, "a budget is needed"),
        ({"flops": 0}, "`task.budget.flops` must be positive, but is 0"),
        ({"euros": 5}, "unknown currency `euros`: choose one of flops, hours_heard, device_hours, updates"),
    ],
)
def test_budgets_that_are_refused(amounts: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Budget(amounts)


def test_polynomial_is_fairseqs_with_progress_for_updates() -> None:
    """32k of 400k updates: the same factors as fairseq's polynomial_decay."""
    for update in (0, 16_000, 32_000, 216_000, 400_000):
        expected = update / 32_000 if update < 32_000 else (400_000 - update) / (400_000 - 32_000)
        assert polynomial(update / 400_000, 0.08) == pytest.approx(expected, abs=1e-12)


def test_polynomial_ends_at_zero_even_past_the_budget() -> None:
    assert polynomial(1.0, 0.08) == polynomial(1.2, 0.08) == 0


@pytest.mark.parametrize("total", [72_234, 187_222, 400_000, 550_070])
def test_a_warmup_in_updates_is_fairseqs_whatever_the_budget(total: int) -> None:
    """Released configurations of Liu et al. 2024: fairseq's polynomial_decay, 32,000 updates of warm-up in every run."""
    for update in (0, 16_000, 31_999, 32_000, 50_000, total - 1, total):
        expected = update / 32_000 if update < 32_000 else (total - update) / (total - 32_000)
        found = polynomial_by_updates(update / total, update, 32_000, 32_000 / total)
        assert found == pytest.approx(expected, abs=1e-12)


def test_triangular_has_its_corners_where_the_paper_has_them() -> None:
    """8 cycles of 25k + 25k over 400k updates, between 1 / 100 and 1."""
    for cycle in range(8):
        assert triangular(cycle / 8) == pytest.approx(0.01)
        assert triangular((cycle + 0.5) / 8) == pytest.approx(1.0)
    assert triangular(1.0) == pytest.approx(0.01)


@given(st.floats(0, 1))
def test_schedules_stay_between_zero_and_one(progress: float) -> None:
    assert 0 <= polynomial(progress, 0.1) <= 1
    assert 0 <= triangular(progress) <= 1


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0])
def test_a_warmup_as_long_as_the_run_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="`lr_scheduler.warmup_share` must be at least 0 and below 1"):
        check_share("warmup_share", share)


def test_tri_stage_is_that_of_the_batch_size_study() -> None:
    """5e-7 up to 5e-5 over 10%, 40% constant, 50% down to 2.5e-6."""
    rates = [5e-5 * tri_stage(progress, 0.1, 0.4) for progress in (0.0, 0.1, 0.3, 0.5, 0.75, 1.0)]
    assert rates == pytest.approx([5e-7, 5e-5, 5e-5, 5e-5, 5e-5 * 0.05**0.5, 2.5e-6])


def test_cooldown_of_a_branch_and_of_a_trunk() -> None:
    assert [cooldown(progress, 0.1, 0.2) for progress in (0.05, 0.1, 0.8, 0.9, 1.0)] == pytest.approx([0.5, 1, 1, 0.5, 0])
    assert cooldown(1.0, 0.1, 0.0) == 1.0


def test_shares_that_make_no_schedule_are_refused() -> None:
    with pytest.raises(ConfigError, match="`lr_scheduler.a` . `lr_scheduler.b` must be 1 .the whole budget., but is 0.9"):
        check_sum({"a": 0.5, "b": 0.4})
    with pytest.raises(ConfigError, match="must stay below 1"):
        check_sum({"a": 0.5, "b": 0.5}, below=True)
    check_sum({"a": 0.1, "b": 0.2, "c": 0.7})
