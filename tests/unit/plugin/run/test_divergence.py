"""Gradients that are no numbers: skipped, charged, explained; too many end the run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from fairseq_budget.errors import ConfigError
from fairseq_budget.plugin.criterion import BudgetPretrainingCriterion
from fairseq_budget.plugin.run.diagnosis import Diagnosis, causes
from fairseq_budget.plugin.run.divergence import Divergence
from tests.common import waves
from tests.unit.plugin.tiny_task import Optimizer, tiny_task

NAN, GOOD = torch.tensor(float("nan")), torch.tensor(2.0)


@pytest.fixture
def task() -> Any:
    task = tiny_task(9, max_bad_updates=2)
    task.datasets["train"].manifest = SimpleNamespace(where=lambda index: f"/speech/{index}.flac")
    return task


def update(task: Any, source: torch.Tensor, ids: tuple[int, ...] = (3, 8)) -> Any:
    """One update up to the optimizer's step; the judged norm."""
    task.network.zero_grad()
    task.begin_update()
    lengths = np.full(len(ids), source.size(1))
    batch = {"id": np.array(ids), "samples": lengths, "new": 0 * lengths, "net_input": {"source": source}}
    task.train_step(batch, task.network, task.criterion, Optimizer(), 6)
    return task.judge_gradient(torch.nn.utils.clip_grad_norm_(task.network.parameters(), 10.0))


def test_a_good_gradient_stays_as_it_is(task: Any) -> None:
    norm = update(task, waves(2, 16_000))
    assert norm > 0
    assert not task.run.divergence.bad
    assert all(torch.isfinite(weight.grad).all() for weight in task.network.parameters() if weight.grad is not None)


def test_audio_that_is_no_number(task: Any, caplog: pytest.LogCaptureFixture) -> None:
    source = waves(2, 16_000)
    source[1, 100] = float("nan")
    assert update(task, source) == 0
    assert task.run.divergence.bad
    assert "update 7 is skipped" in caplog.text
    assert "First bad: the audio, in the batch of /speech/3.flac, /speech/8.flac." in caplog.text


def test_a_weight_that_is_no_number(task: Any, caplog: pytest.LogCaptureFixture) -> None:
    task.network.encoder.layers[0].fc1.weight.data[0, 0] = float("inf")
    update(task, waves(2, 16_000))
    assert "First bad: the weight encoder.layers.0.fc1.weight, in the batch of" in caplog.text


def test_a_layers_output_that_is_no_number(task: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Every weight is a number, and so is the audio; the product of the two is none."""
    weight = task.network.encoder.layers[0].fc1.weight.data
    weight.copy_(torch.full_like(weight, 3e38))
    update(task, waves(2, 16_000))
    assert "First bad: the output of encoder.layers.0.fc1, in the batch of" in caplog.text


def test_a_loss_that_is_no_number_has_no_gradient(task: Any) -> None:
    """Even where what comes after the loss would give one."""
    loss = torch.tensor(float("inf"), requires_grad=True)
    network = SimpleNamespace(config=SimpleNamespace(autocast="none"))
    criterion = BudgetPretrainingCriterion(
        SimpleNamespace(objective=task.objective, network=network, begin_update=lambda: None)
    )
    told = SimpleNamespace(total=loss, frames=1, terms={}, averages={}, ratios={})
    total = criterion(lambda source: told, {"id": [0], "net_input": {"source": torch.zeros(1)}})[0]
    total.backward()
    assert loss.grad is not None
    assert not torch.isfinite(loss.grad)


def judged(divergence: Divergence, *norms: torch.Tensor | None) -> list[bool]:
    task = SimpleNamespace(root=SimpleNamespace(common=SimpleNamespace(amp=False)))
    found = []
    for number, norm in enumerate(norms, start=1):
        task.run = SimpleNamespace(control=SimpleNamespace(updates_done=number))
        divergence.begin_update()
        divergence.judge(norm, task)
        found.append(divergence.bad)
    return found


def test_so_many_in_a_row_end_the_run() -> None:
    divergence = Divergence(2, lambda value: [value])
    assert judged(divergence, GOOD, NAN, GOOD, NAN) == [False, True, False, True]
    assert divergence.too_many is None
    judged(divergence, GOOD, NAN, NAN)
    assert divergence.too_many is not None
    assert divergence.too_many.startswith("training diverged at update 3: 2 updates in a row were skipped")
    assert "the model is that of update 1: lower `optimization.lr`" in divergence.too_many


def test_the_smallest_loss_scale_ends_the_run_at_once() -> None:
    divergence = Divergence(10, lambda value: [value])
    judged(divergence, None)
    assert divergence.too_many is not None
    assert "fp16 has no smaller loss scale left" in divergence.too_many


def test_torchs_scaler_sees_what_it_has_to_skip() -> None:
    divergence = Divergence(10, lambda value: [value])
    task: Any = SimpleNamespace(root=SimpleNamespace(common=SimpleNamespace(amp=True)))
    task.run = SimpleNamespace(control=SimpleNamespace(updates_done=1))
    assert divergence.judge(NAN, task) is NAN
    assert not divergence.bad


def test_a_limit_below_one() -> None:
    with pytest.raises(ConfigError, match="`task.max_bad_updates` must be at least 1, but is 0"):
        Divergence(0, lambda value: [value])


def test_a_gradient_is_told_where_nothing_else_is_bad() -> None:
    gradient, audio = Diagnosis("the gradient of x", "a.flac", True), Diagnosis("the audio", "b.flac", False)
    assert causes([gradient, None, audio]) == ["the audio, in the batch of b.flac"]
    assert causes([gradient, None]) == ["the gradient of x, in the batch of a.flac"]
