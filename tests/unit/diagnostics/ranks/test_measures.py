"""Effective rank on matrices whose singular values are known, and clusters whose labels are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_budget.diagnostics.ranks.measures import cluster_quality, rankme
from fairseq_budget.errors import ConfigError


def with_singular_values(values: list[float], rows: int, columns: int) -> np.ndarray:
    """A random matrix that has them."""
    generator = np.random.default_rng(0)
    left, _ = np.linalg.qr(generator.standard_normal((rows, len(values))))
    right, _ = np.linalg.qr(generator.standard_normal((columns, len(values))))
    return ((left * values) @ right.T).astype(np.float32)


@pytest.mark.parametrize(("rows", "columns"), [(50, 8), (8, 50), (20, 20)])
@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], 1.0), ([2.0] * 5, 5.0), ([0.5, 0.25, 0.25], 2**1.5), ([1.0, 1e-9], 1.0)],
    ids=["one", "five alike", "entropy of 1.5 bits", "one and nearly nothing"],
)
def test_effective_rank(values: list[float], expected: float, rows: int, columns: int) -> None:
    matrix = with_singular_values(values, rows, columns)
    assert rankme(matrix) == pytest.approx(expected, rel=1e-3)
    assert rankme(7 * matrix) == pytest.approx(rankme(matrix), rel=1e-5)


@settings(max_examples=50)
@given(st.integers(2, 40), st.integers(2, 12), st.integers(0, 1000))
def test_it_lies_between_1_and_the_smaller_side(rows: int, columns: int, seed: int) -> None:
    found = rankme(np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32))
    assert 1 <= found <= min(rows, columns) * (1 + 1e-4)


def frames_of_phones(noise: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Eight utterances of 60 frames of four phones, each around a point of its own."""
    generator = np.random.default_rng(0)
    centres = 10 * generator.standard_normal((4, 6))
    phones = [generator.integers(0, 4, 60) for _ in range(8)]
    return [(centres[row] + noise * generator.standard_normal((60, 6))).astype(np.float32) for row in phones], phones


def test_clusters_that_are_phones_tell_all_about_them() -> None:
    found = cluster_quality(*frames_of_phones(0.1), clusters=4, seed=0)
    assert found is not None
    assert (found["phone_purity"], found["pnmi"], found["frames"]) == (1.0, pytest.approx(1.0), 4 * 60)
    noisy = cluster_quality(*frames_of_phones(100.0), clusters=4, seed=0)
    assert noisy is not None
    assert noisy["pnmi"] < 0.1


def test_frames_without_a_reference_are_left_out() -> None:
    frames, phones = frames_of_phones(0.1)
    half = [np.where(np.arange(60) < 30, row, -1) for row in phones]
    found = cluster_quality(frames, half, clusters=4, seed=0)
    assert found is not None
    assert (found["frames"], found["unknown_frames"]) == (120, 120)
    assert cluster_quality(frames, [np.full(60, -1)] * 8, clusters=4, seed=0) is None


def test_more_clusters_than_frames() -> None:
    with pytest.raises(ConfigError, match="`--clusters` is 300, but half of the utterances have 240 frames: take fewer"):
        cluster_quality(*frames_of_phones(0.1), clusters=300, seed=0)
