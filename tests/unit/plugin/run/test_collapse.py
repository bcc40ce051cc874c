"""Collapse is told early, and curves as good runs have them don't look like it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from fairseq_budget.errors import ConfigError
from fairseq_budget.plugin.errors import StopRun
from fairseq_budget.plugin.run import collapse
from fairseq_budget.plugin.run.collapse import CollapseWatch
from tests.common import waves
from tests.unit.plugin.tiny_task import Optimizer, tiny_task

GOOD = {"accuracy": 0.3, "gnorm": 0.5, "prob_perplexity_1": 90.0, "prob_perplexity_2": 80.0}


def watched(looks: list[dict[str, float]], mode: str = "stop") -> CollapseWatch:
    """A watch after looks at every hundredth update, and one more, which judges the last of them."""
    watch = CollapseWatch(mode)
    for number, numbers in enumerate([*looks, looks[-1]], 1):
        watch.note(100 * number, {name: torch.tensor(value) for name, value in numbers.items()})
        watch.note(100 * number + 1, dict.fromkeys(numbers, math.nan))  # between looks nothing is heard
    return watch


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ({"prob_perplexity_2": 1.2}, "by update 1500: the perplexity of codebook 2 is 1.20"),
        ({"accuracy": 0.02}, "its accuracy has fallen from 30.0% to 2.0%"),
        ({"gnorm": 1e-9}, "the norm of its gradient is 1.0e-09"),
        ({"gnorm": 6e3}, "the norm of its gradient is 6.0e+03, usually 5.0e-01"),
    ],
)
def test_what_is_told(then: dict[str, float], message: str) -> None:
    long = 3 if "accuracy" not in then else 9  # a median of ten changes when half of them have
    found = watched([GOOD] * 12 + [GOOD | then] * long).found
    assert found is not None
    assert message in found
    assert "To try: " in found
    assert watched([GOOD] * 12 + [GOOD | then] * long, "ignore").found is None
    assert watched([GOOD] * 12 + [GOOD | then] * 2 + [GOOD] * 3).found is None, "two looks may be an accident"


def test_good_curves() -> None:
    """The shape of paper C's: guessing for 9,700 updates, a perplexity that falls to 5 and rises again, cycles."""
    step = np.arange(4000)
    guessing = np.where(step < 97, 0.012, 0.012 + 0.26 * (1 - np.exp(-(step - 97) / 800)))
    accuracy = guessing * (1 - 0.13 * np.abs(np.sin(step / 160)))
    perplexity = 5.3 + 120 * np.abs(np.cos(step / 300))
    looks = [
        {"accuracy": float(a), "gnorm": float(n), "prob_perplexity_1": float(p)}
        for a, p, n in zip(accuracy, perplexity, np.exp(np.sin(step)), strict=True)
    ]
    assert watched(looks).found is None


def test_it_is_kept_in_checkpoints() -> None:
    before = watched([GOOD] * 12)
    after = CollapseWatch("stop")
    after.load_state_dict(before.state_dict())
    for number in range(1, 11):
        after.note(100 * number, GOOD | {"accuracy": 0.01})
    assert after.found is not None


def test_the_run_ends_without_a_new_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through fairseq's hooks, with a model whose gradient vanishes."""
    monkeypatch.setattr(collapse, "EVERY", 1)
    task = tiny_task(9)
    task.network.requires_grad_(False)
    task.network.mask_emb.requires_grad_(True)
    with pytest.raises(
        StopRun, match=r"collapsed by update \d: the norm of its gradient is 0.0e\+00.* there is no checkpoint yet; \d upd"
    ):
        for number in range(6):
            update(task, number)


def update(task: Any, number: int) -> None:
    """One update whose gradients are all 0."""
    task.begin_update()
    source = waves(2, 16_000)
    lengths = np.full(2, source.size(1))
    batch = {"id": np.array((3, 8)), "samples": lengths, "new": 0 * lengths, "net_input": {"source": source}}
    _, _, logged = task.train_step(batch, task.network, task.criterion, Optimizer(), number)
    task.judge_gradient(torch.zeros(()))
    task.reduce_metrics([logged], task.criterion)


def test_unknown_mode() -> None:
    with pytest.raises(ConfigError, match="`task.on_collapse` must be one of stop, ignore, but is `warn`"):
        CollapseWatch("warn")
