"""Spearman's rank correlation, with a p-value that holds for few points, too."""

from __future__ import annotations

import numpy as np
from scipy.stats import permutation_test, rankdata

PERMUTATIONS = 9_999
"""All of them up to 7 points, so many random ones beyond."""


def spearman(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float] | None:
    """Spearman's rho and its p-value; None if x or y is the same everywhere.  Shape: (N,), (N,)"""
    if len(set(x.tolist())) < 2 or len(set(y.tolist())) < 2:
        return None
    ranks = rankdata(y)

    def statistic(values: np.ndarray, axis: int = -1) -> np.ndarray:
        centred, other = values - values.mean(axis, keepdims=True), ranks - ranks.mean()
        return (centred * other).sum(axis) / np.sqrt((centred**2).sum(axis) * (other**2).sum())

    test = permutation_test(
        (rankdata(x),),
        statistic,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        rng=np.random.default_rng(seed),
    )
    return float(test.statistic), float(test.pvalue)
