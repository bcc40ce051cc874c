"""The plan of the published setting is what was published, and the ledger agrees with the plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.arithmetic.budget import Budget
from fairseq_budget.arithmetic.currencies import amounts_spent
from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.arithmetic.ledger import Cost, Ledger
from fairseq_budget.arithmetic.plan import PlannedRun, Setting, plan_run, price_runs
from fairseq_budget.arithmetic.shape import ModelShape
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.objectives import STUDIED, shape_of

# updates that 1.33e18 FLOPs buy, relative to 400,000 of Slim (configurations released with Liu et al. 2024)
PUBLISHED_UPDATES = {"30": 550_070, "50": 499_953, "70": 454_811, "200": 297_370, "base": 187_222, "large": 72_234}
PUBLISHED_EPOCHS = {"30": 24.74, "large": 3.25}
SLIM_UPDATES = 400_000
PAPER = Setting()


def shape(size: str = "slim", objective: str = "hubert") -> ModelShape:
    return shape_of(objective, SIZES[size])


def planned(size: str = "slim", objective: str = "hubert", setting: Setting = PAPER, **amounts: float) -> PlannedRun:
    return plan_run(size, shape(size, objective), Budget(amounts or {"flops": 1.33e18}), setting)


@pytest.mark.parametrize("objective", STUDIED)
@pytest.mark.parametrize("size", PUBLISHED_UPDATES)
def test_relative_updates_are_the_published_ones(objective: str, size: str) -> None:
    """Within 0.2% (0.15% for TERA and HuBERT Large, less elsewhere), where 0.5% was asked for."""
    slim = planned("slim", objective)
    assert SLIM_UPDATES * planned(size, objective).updates / slim.updates == pytest.approx(PUBLISHED_UPDATES[size], rel=2e-3)


@pytest.mark.parametrize("objective", STUDIED)
def test_the_published_budget_is_400k_updates_of_slim(objective: str) -> None:
    assert planned("slim", objective, updates=SLIM_UPDATES).flops == pytest.approx(1.33e18, rel=0.015)
    assert planned("slim", objective).updates == pytest.approx(SLIM_UPDATES, rel=0.015)


@pytest.mark.parametrize("objective", STUDIED)
@pytest.mark.parametrize("size", PUBLISHED_EPOCHS)
def test_epochs_are_the_published_ones(objective: str, size: str) -> None:
    assert planned(size, objective).epochs == pytest.approx(PUBLISHED_EPOCHS[size], rel=0.02)


@pytest.mark.parametrize("objective", STUDIED)
def test_an_update_costs_what_the_ledger_would_charge_for_it(objective: str) -> None:
    """2 workers x 3 batches of 8 full crops."""
    setting = Setting(accumulation=3, samples_per_batch=8 * 100_000, crop=100_000, packing=1.0)
    model = shape("30", objective)
    ledger = Ledger()
    ledger.charge(Cost(flops=training_flops(model, [100_000] * 2 * 3 * 8), samples=2 * 3 * 8 * 100_000), ranks=2)
    run = planned("30", objective, setting, updates=1)
    assert run.flops_per_update == ledger.flops
    assert run.hours_heard == pytest.approx(amounts_spent(ledger)["hours_heard"])


@given(
    st.sampled_from(["flops", "hours_heard", "device_hours", "updates"]),
    st.floats(1.0, 1e7),
    st.integers(1, 64),
    st.integers(1, 16),
)
def test_the_run_ends_with_the_update_that_spends_the_budget(
    currency: str, share: float, workers: int, accumulation: int
) -> None:
    """Charging the ledger with the planned updates spends the amount; with one update less, it doesn't."""
    setting = Setting(ranks=workers, accumulation=accumulation)
    update = plan_run("slim", shape(), Budget({"updates": 1}), setting, step_seconds=0.5)
    one = Ledger(update.flops, samples=round(setting.samples_per_update), device_seconds=0.5 * workers, updates=1)
    run = plan_run("slim", shape(), Budget({currency: share * amounts_spent(one)[currency]}), setting, step_seconds=0.5)
    assert run.updates - 1 <= share * (1 + 1e-6)
    assert run.updates >= share * (1 - 1e-6)


def test_the_currency_reached_first_ends_the_run() -> None:
    assert planned(flops=1.33e18, updates=1000).updates == 1000
    assert planned(flops=1.33e18, updates=10**9).updates == planned().updates


def test_whole_quotients_stay_whole() -> None:
    """49 updates in hours and back are 49, not 50."""
    for updates in range(1, 2000):
        assert planned(hours_heard=planned(updates=updates).hours_heard).updates == updates


def test_time_and_money() -> None:
    run = plan_run("slim", shape(), Budget({"updates": 7200}), Setting(ranks=4), step_seconds=2.0)
    assert (run.wall_hours, run.device_hours, run.price) == (4.0, 16.0, None)
    assert [priced.price for priced in price_runs([run], 2.5)] == [40.0]
    assert plan_run("slim", shape(), Budget({"device_hours": 16}), Setting(ranks=4), step_seconds=2.0) == run
    assert planned().wall_hours is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ranks": 0}, "`ranks` must be a positive, finite number, but is 0"),
        ({"data_hours": -1.0}, "`data_hours` must be a positive, finite number, but is -1"),
        ({"data_hours": float("inf")}, "`data_hours` must be a positive, finite number, but is inf"),
        ({"data_hours": float("nan")}, "`data_hours` must be a positive, finite number, but is nan"),
        ({"packing": 1.2}, "`packing` is a share and cannot exceed 1, but is 1.2"),
        ({"crop": 399}, "`crop` must be at least 400 samples, which give one frame, but is 399"),
        ({"crop": 2_000_000}, "a `crop` of 2000000 doesn't fit into `samples_per_batch` = 1400000"),
        ({"ranks": -2, "packing": 2.0}, "`ranks` .*; `packing` is a share"),
    ],
)
def test_settings_that_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        planned(setting=Setting(**settings))


def test_budgets_that_are_refused() -> None:
    with pytest.raises(BudgetError, match="`flops` = 1e\\+09 is less than one update of slim"):
        planned(flops=1e9)
    with pytest.raises(ConfigError, match="a budget in `device_hours` needs to know how long an update takes"):
        planned(device_hours=10)
    with pytest.raises(ConfigError, match="`hours_heard` must be a finite number, but is inf"):
        planned(hours_heard=float("inf"))
    with pytest.raises(ConfigError, match="`step_seconds` must be a positive, finite number, but is 0"):
        plan_run("slim", shape(), Budget({"updates": 1}), Setting(), step_seconds=0.0)


def test_prices_that_are_refused() -> None:
    with pytest.raises(ConfigError, match="`price_per_device_hour` must be a positive, finite number, but is -1"):
        price_runs([], -1.0)
    with pytest.raises(ConfigError, match="`price_per_device_hour` needs to know how long an update takes"):
        price_runs([planned()], 1.0)
