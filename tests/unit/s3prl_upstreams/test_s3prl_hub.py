"""Our names beside s3prl's; its two hundred others only when one is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.host import compat, hub
from s3prl_upstreams.upstreams.hubconf import UPSTREAMS
from tests.warm_start import warm


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.LightHub]:
    """The hub of a fresh process; the one from before comes back afterwards."""
    compat.apply()
    import s3prl

    monkeypatch.delitem(sys.modules, hub.NAME, raising=False)
    monkeypatch.setattr(s3prl, "hub", None, raising=False)
    yield hub.install()


def test_s3prl_finds_our_names_and_the_filter_banks(light: hub.LightHub) -> None:
    from s3prl import hub as seen_by_s3prl

    assert seen_by_s3prl is light
    assert {*UPSTREAMS, "fbank", "mfcc"} <= set(dir(seen_by_s3prl))
    assert all(getattr(seen_by_s3prl, name) is function for name, function in UPSTREAMS.items())
    assert seen_by_s3prl.fbank(model_config=None).get_downsample_rates("hidden_states") == 160
    assert hub.install() is light


def test_names_of_pythons_own_machinery_load_nothing(light: hub.LightHub) -> None:
    assert not hasattr(light, "__path__") and not hasattr(light, "_private")


def test_a_taken_name_is_refused(light: hub.LightHub, monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    other = types.ModuleType(hub.NAME)
    other.budget_slim = len
    monkeypatch.setitem(sys.modules, hub.NAME, other)
    with pytest.raises(BudgetError, match="already has upstreams called budget_slim"):
        hub.install()


def test_a_hub_that_cannot_be_imported_says_why(light: hub.LightHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3prl.upstream.apc.hubconf", None)
    monkeypatch.delitem(sys.modules, "s3prl._full_hub", raising=False)  # which another test may have imported
    with pytest.raises(BudgetError, match=r"upstream `hubert` is not one of .*fbank.* ModuleNotFoundError: .*apc"):
        _ = light.hubert
    assert {*UPSTREAMS, "fbank"} <= set(light.options()) and "hubert" not in light.options()
    assert "random_slim" in light.options(only_registered_ckpt=True) and "budget_slim" not in light.options(True)


@pytest.mark.integration
def test_the_full_hub_in_a_new_process() -> None:
    code = """
from s3prl_upstreams.host import compat, hub
from fairseq_budget.errors import BudgetError
compat.apply()
light = hub.install()
print(callable(light.hubert_local), len(dir(hub.full_hub("hubert"))) > 200)
try:
    light.huberd
except BudgetError as error:
    print(error)
try:
    light.fbankk
except BudgetError as error:
    print(error)
"""
    root = Path(__file__).parents[3]
    answer = warm(hook=False).run([sys.executable, "-c", code], root)
    lines = answer.stdout.splitlines()
    assert lines[-3] == "True True", answer.stderr
    assert lines[-2].startswith("no upstream `huberd`: choose one of hubert")
    assert lines[-1] == "no upstream `fbankk`: choose one of fbank"
