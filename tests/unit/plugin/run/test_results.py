"""Validation losses under the names of their sets."""

from __future__ import annotations

import math

import pytest
import torch

from fairseq_budget.arithmetic.smoothing import SMOOTHING
from fairseq_budget.plugin.run.results import Results


def test_every_set_has_its_own_losses() -> None:
    results = Results(["dev_clean", "dev_other"])
    for updates, losses in ((10, (3.0, 4.0)), (20, (2.5, 3.9)), (30, (2.7, 3.8))):
        results.begin()
        for loss in losses:
            results.enter(loss, updates)
    entries = results.entries()
    assert entries["valid_losses"] == {"dev_clean": 2.7, "dev_other": 3.8}
    assert (entries["valid_set"], entries["valid_loss"]) == ("dev_clean", 2.7)
    assert entries["best_valid"] == {"set": "dev_clean", "loss": 2.5, "updates": 20}


def test_a_validation_that_was_cut_short_leaves_the_order() -> None:
    results = Results(["a", "b"])
    results.begin()
    results.enter(1.0, 1)
    results.begin()
    results.enter(2.0, 2)
    results.enter(3.0, 2)
    assert results.losses == {"a": 2.0, "b": 3.0}


def test_no_number_is_no_best() -> None:
    results = Results(["valid"])
    results.begin()
    results.enter(math.nan, 1)
    assert results.best == {}


def test_they_come_back_with_the_checkpoint() -> None:
    results = Results(["a"])
    results.begin()
    results.enter(1.5, 7)
    again = Results(["a"])
    again.load_state_dict(results.state_dict())
    assert again.entries() == results.entries()


def test_the_training_loss_is_smoothed_over_a_share_of_the_budget() -> None:
    """Of 1,000 updates as of 50: what is 2% of the budget ago weighs 1/e; losses of long ago don't count."""
    for updates in (50, 1000):
        results = Results(["valid"])
        for update in range(1, updates + 1):
            results.hear(torch.tensor(9.0 if update <= updates / 2 else 4.0), update / updates)
        assert results.state_dict()["train_loss"] == pytest.approx(4.0, abs=1e-4)
    weights = [math.exp(-(1 - update / 50) / SMOOTHING) for update in (48, 49, 50)]
    results = Results(["valid"])
    for update, loss in ((48, 3.0), (49, 2.0), (50, 1.0)):
        results.hear(loss, update / 50)
    expected = (3 * weights[0] + 2 * weights[1] + weights[2]) / sum(weights)
    assert results.state_dict()["train_loss"] == pytest.approx(expected)


def test_the_smoothed_loss_goes_on_where_it_was() -> None:
    whole, first = Results(["valid"]), Results(["valid"])
    for update in range(1, 21):
        whole.hear(1 / update, update / 100)
    for update in range(1, 11):
        first.hear(1 / update, update / 100)
    second = Results(["valid"])
    second.load_state_dict(first.state_dict())
    for update in range(11, 21):
        second.hear(1 / update, update / 100)
    assert second.state_dict() == whole.state_dict()
    assert Results(["valid"]).state_dict()["train_loss"] is None, "nothing was heard"


def test_the_newest_averages_are_recorded_and_come_back() -> None:
    results, again = Results(["valid"]), Results(["valid"])
    results.monitor({"perplexity": torch.tensor(4.0), "similarity": 0.5})
    results.monitor({"perplexity": torch.tensor(3.0)})
    assert results.entries()["monitored"] == {"perplexity": 3.0, "similarity": 0.5}
    again.load_state_dict(results.state_dict())
    assert again.entries() == results.entries()
    assert "monitored" not in Results(["valid"]).entries()
