"""Spearman's correlation against scipy's, and its p-value by counting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from fairseq_budget.arithmetic.spearman import spearman


@pytest.mark.parametrize("runs", [3, 5, 12])
def test_spearman_is_scipys_and_its_p_value_counts_permutations(runs: int) -> None:
    generator = np.random.default_rng(runs)
    x = generator.integers(0, 6, runs).astype(float)
    y = x + generator.standard_normal(runs)
    found = spearman(x, y, seed=0)
    assert found is not None
    assert found[0] == pytest.approx(spearmanr(x, y).statistic)
    ordered = spearman(np.arange(4.0), np.arange(4.0) ** 3, seed=0)
    assert ordered == (pytest.approx(1), pytest.approx(2 / 24))


def test_runs_without_relation_have_a_p_value_to_match() -> None:
    generator = np.random.default_rng(0)
    values = [spearman(*generator.standard_normal((2, 9)), seed=0) for _ in range(60)]
    assert 0.35 < np.mean([value[1] < 0.5 for value in values if value is not None]) < 0.65


def test_what_never_changes_has_no_correlation() -> None:
    assert spearman(np.ones(4), np.arange(4.0), seed=0) is None
