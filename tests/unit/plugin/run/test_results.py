"""Validation losses under the names of their sets."""

from __future__ import annotations

import math

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
