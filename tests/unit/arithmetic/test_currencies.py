"""A currency is one entry of a table: budgets, plans, logs, settings and texts follow."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from fairseq_budget.arithmetic.budget import Budget, share_spent
from fairseq_budget.arithmetic.currencies import (
    CURRENCIES,
    Currency,
    amounts_spent,
    show_amounts,
    with_current_names,
)
from fairseq_budget.arithmetic.ledger import Ledger
from fairseq_budget.arithmetic.plan import Setting, plan_run
from fairseq_budget.arithmetic.sizes import SIZES
from fairseq_budget.arithmetic.units import hours_from_samples
from fairseq_budget.cli import budget_options
from fairseq_budget.objectives import shape_of
from fairseq_budget.plugin.config import budget_amounts, make_budget_config

SECONDS_HEARD = Currency(
    "seconds_heard",
    "seconds of audio",
    spent=lambda ledger: 3600 * hours_from_samples(ledger.samples),
    show=lambda amount: f"{amount:g} s of audio",
)


@pytest.fixture
def fifth(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(CURRENCIES, SECONDS_HEARD.name, SECONDS_HEARD)
    return SECONDS_HEARD.name


def test_a_fifth_currency_is_budgeted_planned_and_printed(fifth: str) -> None:
    budget = Budget({fifth: 10})
    assert budget.share(Ledger(samples=16_000)) == 0.1
    assert amounts_spent(Ledger(samples=32_000))[fifth] == 2
    assert show_amounts({fifth: 10, "updates": 5}) == "10 s of audio or 5 updates"
    run = plan_run("slim", shape_of("tera", SIZES["slim"]), Budget({fifth: 1e6}), Setting())
    hours = plan_run("slim", shape_of("tera", SIZES["slim"]), Budget({"hours_heard": 1e6 / 3600}), Setting())
    assert run == hours


def test_a_fifth_currency_is_a_setting_and_an_option(fifth: str) -> None:
    settings = OmegaConf.structured(make_budget_config()(**{fifth: 3.0}))
    assert budget_amounts(settings) == {fifth: 3.0}

    def command(budget: dict[str, float]) -> None:
        assert budget == {fifth: 4.0}

    wanted = {**dict.fromkeys(CURRENCIES), fifth: 4.0}
    budget_options.with_budget_options(command)(**wanted)


def test_former_names_are_taken_with_a_note(caplog: pytest.LogCaptureFixture) -> None:
    settings = OmegaConf.structured(make_budget_config()(machine_hours=72.0))
    assert budget_amounts(settings) == {"device_hours": 72.0}
    assert caplog.messages == ["`task.budget.machine_hours` is called `task.budget.device_hours` now"]
    assert with_current_names({"machine_seconds": 1.0, "updates": 2}) == {"device_seconds": 1.0, "updates": 2}


def test_a_ledger_of_an_earlier_version_is_restored() -> None:
    ledger = Ledger(flops=3, device_seconds=7.0, updates=1)
    earlier = {("machine_seconds" if name == "device_seconds" else name): v for name, v in ledger.state_dict().items()}
    restored = Ledger()
    restored.load_state_dict(earlier)
    assert restored == ledger


def test_share_of_recorded_amounts() -> None:
    assert share_spent({"flops": 10, "updates": 4}, {"flops": 5, "updates": 3}) == 0.75
    assert share_spent({}, {"flops": 5}) == 0
