"""Checkpoints made to harm: refused in one line, in bounded time and memory, and no command in one is run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from fairseq_budget.checkpoints.pretrained import load_pretrained
from tests import hostile
from tests.hostile_runner import answers

LOADED = ("a function of a module", "eval", "exec")
"""Calls that stay objects without effect in entries that nobody reads; the model beside them is an honest one."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All of them, by name; a marker would lie beside."""
    folder = tmp_path_factory.mktemp("hostile")
    made = {}
    for index, (name, write) in enumerate(hostile.checkpoints(folder / "marker").items()):
        made[name] = folder / f"{index}.pt"
        write(made[name])
    return made


@pytest.fixture(scope="module")
def told(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What became of each when it was to be loaded, and of those that fairseq itself reads when a run was to go on.

    Those are everything but objects, whose classes fairseq may need, and what only a model is built from.
    """
    folder = tmp_path_factory.mktemp("told")
    asked = [("load", name) for name in files]
    if find_spec("fairseq") is not None:
        asked += [("restore", name) for name in (*hostile.commands(folder), *hostile.archives(), *hostile.pickles())]
    return dict(zip(asked, answers([[how, str(files[name])] for how, name in asked], folder), strict=True))


def of(told: dict[tuple[str, str], dict[str, Any]], how: str) -> dict[str, dict[str, Any]]:
    return {name: answer for (asked, name), answer in told.items() if asked == how}


def test_the_one_without_harm_is_read(tmp_path: Path) -> None:
    hostile.save(hostile.honest())(tmp_path / "c.pt")
    assert load_pretrained(tmp_path / "c.pt").objective == "hubert"


@pytest.mark.integration
def test_none_does_any_harm(files: dict[str, Path], told: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert len(files) >= 60
    answered = of(told, "load")
    assert len(answered) == len(files), "the process ended before its time"
    loaded = {name for name, answer in answered.items() if answer["code"] == 0}
    assert {name for name in loaded if not name.startswith(LOADED)} == set()
    for name, answer in answered.items():
        if name not in loaded:
            lines = answer["error"].splitlines()
            assert (answer["code"], len(lines)) == (2, 1), (name, answer)
            assert str(files[name]) in lines[0], (name, answer)
    assert not (files["eval, new form"].parent / "marker").exists()
    expected = hostile.honest()["model"]
    for name in loaded:
        weights = load_pretrained(files[name]).model.state_dict()
        assert all(torch.equal(weights[key], value) for key, value in expected.items()), name


def test_the_commands_would_run_elsewhere(tmp_path: Path) -> None:
    for name, write in hostile.commands(tmp_path / "marker").items():
        if not name.startswith(("code", "a newer")):
            write(tmp_path / "c.pt")
            torch.load(tmp_path / "c.pt", weights_only=False)
            assert (tmp_path / "marker").exists(), f"{name} is harmless, so the test shows nothing"
            (tmp_path / "marker").unlink()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a flipped bit", r"its member `archive/data/\d+` has changed since it was written"),
        ("a bomb", "is compressed"),
        ("a billion layers", "`model.encoder_layers` must be from 1 to 1,000, but is 1,000,000,000"),
        ("300 layers of 1024", "describes 300 layers, but it has weights of 2"),
        ("convolutions times 6e7", "`model.conv_feature_layers` must be a list"),
        ("no heads", "`model.encoder_attention_heads` must be from 1"),
        ("lists of lists", "holds more than 2,000,000 values"),
        ("keys that collide", "more than 1,000 keys that are neither text nor small numbers"),
        ("settings in settings", "or hold themselves"),
        ("a short tensor", r"its member `.*/data/\d+` should have \d+ bytes"),
        ("a digest of something else", "its tensors aren't those that were saved"),
    ],
)
def test_the_line_says_what_is_wrong(files: dict[str, Path], name: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        load_pretrained(files[name])


@pytest.mark.integration
def test_a_run_of_fairseqs_goes_on_from_none(files: dict[str, Path], told: dict[tuple[str, str], dict[str, Any]]) -> None:
    pytest.importorskip("fairseq")
    answered = of(told, "restore")
    assert len(answered) > 20
    for name, answer in answered.items():
        if answer["code"] != 2:
            assert answer["code"] == 0 and name.startswith("code"), (name, answer)
            continue
        [line] = answer["error"].splitlines()
        assert str(files[name]) in line, (name, answer)
    assert not (files["eval, new form"].parent / "marker").exists()
