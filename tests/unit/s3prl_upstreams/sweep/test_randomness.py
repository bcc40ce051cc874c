"""Random streams: what is put back gives the same numbers again, from every generator."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from s3prl_upstreams.sweep import randomness


def draw() -> tuple[float, float, float]:
    return float(torch.rand(1)), float(np.random.rand()), random.random()


def test_what_is_put_back_draws_the_same_numbers() -> None:
    randomness.seed(3)
    draw()
    place = randomness.take()
    first = draw()
    assert draw() != first
    randomness.put(place)
    assert draw() == first


def test_a_seed_sets_every_generator() -> None:
    randomness.seed(5)
    first = draw()
    randomness.seed(5)
    assert draw() == first
    randomness.seed(6)
    assert all(one != two for one, two in zip(draw(), first, strict=True))


@pytest.mark.parametrize("generator", [lambda: torch.rand(1), np.random.rand, random.random])
def test_a_place_differs_after_a_single_draw(generator: object) -> None:
    place = randomness.take()
    assert place.same_as(randomness.take())
    generator()  # type: ignore[operator]
    assert not place.same_as(randomness.take())


def test_a_saved_place_is_the_same_place(tmp_path: Path) -> None:
    randomness.seed(7)
    np.random.randn()  # NumPy keeps the second number of such a pair
    random.gauss(0, 1)
    place = randomness.take()
    torch.save(place.state_dict(), tmp_path / "place.pt")
    loaded = randomness.from_state(torch.load(tmp_path / "place.pt", weights_only=True))
    assert loaded.same_as(place)
    after = draw()
    randomness.put(loaded)
    assert draw() == after
