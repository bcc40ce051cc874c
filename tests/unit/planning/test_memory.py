"""What is counted as memory, and how it grows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.planning import system_memory
from fairseq_budget.planning.memory import PeakMemory, available_memory, is_out_of_memory
from fairseq_budget.planning.memory_model import FIXED_BYTES, MemoryModel
from fairseq_budget.planning.system_memory import total_memory

CPU = torch.device("cpu")
MANY = 2**27
linux = pytest.mark.skipif(not system_memory.STATUS.exists(), reason="Linux tells what a process has")


@linux
def test_the_highest_point_counts_not_the_last() -> None:
    peak = PeakMemory(CPU)
    torch.ones(MANY // 4)  # freed at once
    assert peak.bytes() == pytest.approx(MANY, rel=0.3)
    peak.restart()
    assert peak.bytes() < MANY / 2
    kept = torch.ones(MANY // 8)
    assert peak.bytes() == pytest.approx(MANY / 2, rel=0.3)
    del kept


@linux
def test_what_is_there_before_counts_as_nothing() -> None:
    kept = torch.ones(MANY // 4)
    assert PeakMemory(CPU).bytes() < kept.nbytes / 4


@linux
def test_there_is_memory() -> None:
    assert 2**20 < available_memory(CPU) < total_memory() < 2**50


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(system_memory, "_CGROUP", tmp_path)
    assert system_memory._container_memory() == float("inf")
    (tmp_path / "memory.current").write_text("400\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert system_memory._container_memory() == float("inf")
    (tmp_path / "memory.max").write_text("1000\n")
    assert system_memory._container_memory() == 600
    assert total_memory() == 1000


def test_running_out_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


lengths = st.tuples(st.integers(2, 2000), st.integers(2, 2000)).filter(lambda pair: pair[0] != pair[1])
totals = st.tuples(st.integers(1000, 10**6), st.integers(1000, 10**6))


@given(st.integers(1, 10**8), st.floats(1, 1e4), st.floats(0.001, 10), lengths, totals)
def test_two_batches_tell_the_model(
    params: int, linear: float, quadratic: float, frames: tuple[int, int], samples: tuple[int, int]
) -> None:
    fixed = FIXED_BYTES["fp32"] * params
    peaks = [fixed + count * (linear + quadratic * length) for count, length in zip(samples, frames, strict=True)]
    model = MemoryModel.fit(fixed, samples, frames, tuple(peaks))
    assert (model.linear, model.quadratic) == pytest.approx((linear, quadratic), rel=1e-3)
    assert model.bytes(samples[1], frames[1]) == pytest.approx(peaks[1], rel=1e-6, abs=1)


def test_a_shorter_utterance_never_takes_more() -> None:
    model = MemoryModel.fit(120, (1000, 1000), (50, 100), (50_400, 50_000))
    assert model.quadratic == 0
    assert model.bytes(1000, 10**6) == 50_400, "the higher of both peaks stands for every length"


def test_the_largest_batch_is_the_last_that_fits() -> None:
    model = MemoryModel(fixed=1e6, linear=2.0, quadratic=0.01)
    most = model.most_utterances(1000, 100, free=10_500)
    assert most == 3
    assert model.bytes(most * 1000, 100) - model.fixed <= 10_500 < model.bytes((most + 1) * 1000, 100) - model.fixed
    assert model.most_utterances(1000, 100, free=10) == 0
