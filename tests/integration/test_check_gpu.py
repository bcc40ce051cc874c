"""The check of a GPU, in small on a CPU: a part that runs here runs there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fairseq_budget.bench.gpu import numbers, parts
from fairseq_budget.bench.gpu.observation import Observation, Target
from fairseq_budget.bench.gpu.parts import PARTS, check
from fairseq_budget.cli import app
from fairseq_budget.errors import ConfigError

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_every_part_runs_and_is_good(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["check-gpu", "--device", "cpu", "--out", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())["parts"]
    assert told.exit_code == 0, found
    assert [part["part"] for part in found] == list(PARTS)
    assert all(part["failure"] is None and part["observations"] for part in found)


def test_a_part_that_fails_keeps_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(target: Target) -> object:
        yield Observation("first", "1", "1", True)
        raise RuntimeError("the driver\nis gone")

    monkeypatch.setitem(parts.PARTS, "waits", fails)
    monkeypatch.setitem(parts.PARTS, "memory", lambda target: iter([Observation("all", "1")]))
    first, second = check(["waits", "memory"], Target(torch.device("cpu")), lambda name: None)
    assert (first.good, first.failure) == (False, "RuntimeError: the driver is gone")
    assert [observation.what for observation in first.observations] == ["first"]
    assert second.good
    with pytest.raises(ConfigError, match="unknown part `speeds`: choose one of numbers"):
        list(check(["speeds"], Target(torch.device("cpu")), lambda name: None))


def test_wrong_numbers_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that flips the signs of gradients."""
    computed = numbers._computed
    monkeypatch.setattr(numbers, "OBJECTIVES", ("tera",))
    monkeypatch.setattr(numbers, "SECONDS", 1)

    def flipped(*arguments: object) -> object:
        loss, gradient = computed(*arguments)
        return loss, gradient if arguments[-1] == "fp32" else -gradient

    monkeypatch.setattr(numbers, "_computed", flipped)
    assert [observation.good for observation in numbers.numbers(Target(torch.device("cpu")))] == [True, False]
