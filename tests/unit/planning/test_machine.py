"""The device's own figures."""

from __future__ import annotations

import math

import pytest
import torch

from fairseq_budget.errors import ConfigError
from fairseq_budget.planning import machine

CPU = torch.device("cpu")


def test_rate_is_flops_over_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices grow until a product takes long enough, and the rate counts a multiply-accumulate as 2."""
    asked = []

    def seconds(device: torch.device, precision: str, size: int, repeats: int) -> float:
        asked.append((size, repeats))
        return size / 40_960

    monkeypatch.setattr(machine, "_product_seconds", seconds)
    assert machine.matmul_rate(CPU, "fp32", repeats=7) == pytest.approx(2 * 8192**3 / 0.2)
    assert asked == [(2048, 1), (4096, 1), (8192, 1), (8192, 7)]
    assert machine.matmul_rate(CPU, "fp32", repeats=2, rows=4096) == pytest.approx(2 * 4096**3 / 0.1)
    assert asked[4:] == [(4096, 2)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_product_takes_time(precision: str) -> None:
    assert 0 < machine._product_seconds(CPU, precision, 64, 2) < math.inf


def test_stopwatch_tells_the_time_between_its_moments() -> None:
    watch = machine.Stopwatch(CPU)
    for _ in range(4):
        watch.mark()
    assert len(watch.seconds()) == 3
    assert sum(watch.seconds()) == pytest.approx(watch.moments[-1] - watch.moments[0])


def test_the_recipes_precision_is_the_default() -> None:
    assert machine.check_precision(None, CPU) == "fp32"
    assert machine.check_precision(None, torch.device("cuda")) == "fp16"


def test_the_device_has_a_name() -> None:
    assert machine.device_name(CPU).endswith(f"{torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tpu", "must be cpu, cuda or cuda:<number>, but is `tpu`"),
        ("cuda:x", "but is `cuda:x`"),
        ("cuda:999", "is cuda:999, but torch sees"),
    ],
)
def test_devices_that_are_not_there(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        machine.open_device(name)


@pytest.mark.parametrize(("name", "message"), [("fp64", "unknown precision `fp64`"), ("fp16", "fp16 is for GPUs")])
def test_precisions_that_are_not_for_a_cpu(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        machine.check_precision(name, CPU)
