"""The same updates by fairseq's trainer and by a bare loop, timed."""

from __future__ import annotations

from typing import Any

import pytest

from fairseq_budget.bench import overhead
from fairseq_budget.bench.workload import Workload


@pytest.mark.parametrize("objective", ["hubert", "tera"])
def test_both_make_the_same_updates(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, built = overhead.run_on_noise, []

    def build_and_keep(*settings: Any) -> overhead.TimedRun:
        built.append(build(*settings))
        return built[-1]

    monkeypatch.setattr(overhead, "run_on_noise", build_and_keep)
    found = overhead.measure_overhead(Workload(objective, "0.05", "fp32", 1, 16000, "cpu", frontend="mel"), updates=2)
    assert found.ratio == found.trainer_seconds / found.bare_seconds > 0
    for run in built:
        # the budget is out of reach, so that the rate stays near 0: Adam's moments tell
        state = run.trainer.optimizer.optimizer.state[run.task.network.encoder.layers[0].fc1.weight]
        assert state["step"] == overhead.WARM_UP + 2 and state["exp_avg"].abs().max() > 0
