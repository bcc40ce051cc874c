"""Two generations of the newest checkpoint: damage is named, and the one before it is used."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fairseq_budget.errors import BudgetError, ConfigError
from fairseq_budget.plugin.run import generations
from fairseq_budget.plugin.run.generations import PREVIOUS, Generations
from fairseq_budget.plugin.run.origin import LAST


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    return SimpleNamespace(save_dir=str(tmp_path), get=lambda name: None)


def write(path: Path, updates: int) -> None:
    path.unlink(missing_ok=True)
    torch.save({"model": {"weight": torch.full((64,), float(updates))}}, path)


def updates(path: Path) -> int:
    return int(torch.load(path)["model"]["weight"][0])


def flip_a_byte(path: Path) -> None:
    """In the middle of a weight's bytes, which torch reads without a word."""
    content = bytearray(path.read_bytes())
    place = content.find(torch.full((64,), 2.0).numpy().tobytes()) + 100
    content[place] ^= 255
    path.write_bytes(content)


def test_the_newest_becomes_the_one_before(settings: Any, tmp_path: Path) -> None:
    keeper = Generations(settings, "previous")
    for number in (1, 2):
        keeper.make_room()
        write(tmp_path / LAST, number)
    assert (updates(tmp_path / PREVIOUS), updates(tmp_path / LAST)) == (1, 2)


@pytest.mark.parametrize("damage", [flip_a_byte, lambda path: path.write_bytes(path.read_bytes()[:500]), Path.unlink])
def test_the_one_before_takes_the_place_of_a_damaged_one(
    settings: Any, tmp_path: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / PREVIOUS, 1)
    write(tmp_path / LAST, 2)
    damage(tmp_path / LAST)
    with caplog.at_level(logging.ERROR):
        Generations(settings, "previous").repair()
    assert updates(tmp_path / LAST) == 1
    assert f"going on from {tmp_path / PREVIOUS}, the checkpoint before it" in caplog.text
    assert LAST in caplog.text


def test_an_intact_one_stays(settings: Any, tmp_path: Path) -> None:
    write(tmp_path / PREVIOUS, 1)
    write(tmp_path / LAST, 2)
    Generations(settings, "error").repair()
    assert updates(tmp_path / LAST) == 2


def test_who_wants_an_error_gets_one(settings: Any, tmp_path: Path) -> None:
    write(tmp_path / PREVIOUS, 1)
    write(tmp_path / LAST, 2)
    flip_a_byte(tmp_path / LAST)
    with pytest.raises(BudgetError, match=str(tmp_path / LAST)):
        Generations(settings, "error").repair()
    with pytest.raises(ConfigError, match="on_damaged_checkpoint"):
        Generations(settings, "perhaps")


def test_both_are_damaged(settings: Any, tmp_path: Path) -> None:
    for name in (LAST, PREVIOUS):
        write(tmp_path / name, 2)
        flip_a_byte(tmp_path / name)
    with pytest.raises(BudgetError, match=rf"{LAST}.*; and .*{PREVIOUS}"):
        Generations(settings, "previous").repair()


def test_no_room_for_the_next(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before fairseq writes, and the newest stands."""
    write(tmp_path / LAST, 1)
    monkeypatch.setattr(generations.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(
        BudgetError, match=r"a checkpoint takes .* GiB, .* GiB are free: make room and give the same command"
    ):
        Generations(settings, "previous").make_room()
    assert updates(tmp_path / LAST) == 1


def test_room_is_foreseen(settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A million parameters make checkpoints of 12 MB; four at once and eight kept ones take 144 MB."""
    keeper = Generations(settings, "previous")
    monkeypatch.setattr(generations.shutil, "disk_usage", lambda _: SimpleNamespace(free=140e6))
    keeper.foresee(10**6, 8)
    assert "the run's checkpoints will take about 0.134 GiB, 0.13 GiB are free" in caplog.text
    monkeypatch.setattr(generations.shutil, "disk_usage", lambda _: SimpleNamespace(free=20e6))
    with pytest.raises(BudgetError, match="a checkpoint takes"):
        keeper.foresee(10**6, 0)


def test_nothing_is_kept_where_nothing_is_saved(tmp_path: Path) -> None:
    for settings in (None, SimpleNamespace(save_dir=str(tmp_path), get=lambda name: True)):
        keeper = Generations(settings, "previous")
        keeper.repair()
        keeper.make_room()
        keeper.foresee(10**6, 8)
    assert list(tmp_path.iterdir()) == []
