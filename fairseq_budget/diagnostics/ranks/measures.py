"""The numbers: effective rank, and how well clusters of features match labels.

Letters in shapes: N rows (utterances or frames), D model width, U utterances, K kept frames of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from fairseq_budget.errors import ConfigError
from fairseq_budget.labels.quality import Agreement

_EPSILON = 1e-7  # of the paper, for single precision


def rankme(rows: np.ndarray) -> float:
    """RankMe: ``exp(- sum_k p_k log p_k)`` with ``p_k = sigma_k / sum(sigma) + 1e-7`` over the min(N, D) singular values.

    At least 1 and at most min(N, D), so compare matrices of equally many rows.  Rows aren't centred.  Source: Garrido et al.
    2023, arXiv 2210.02885, equations 1 and 2.  Of means of equally long utterances it is RankMe-t of Aldeneh et al. 2024,
    arXiv 2409.10787 (who add up frames, which scales all singular values alike).

    Shape: rows (N, D)
    """
    values = np.linalg.svd(_square(rows), compute_uv=False)
    shares = values / values.sum() + _EPSILON
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _square(rows: np.ndarray) -> np.ndarray:
    """A matrix with the same singular values, of at most D rows: the R of rows = QR.  Shape: (N, D) -> (min(N, D), D)"""
    if len(rows) <= rows.shape[1]:
        return rows
    return np.asarray(np.linalg.qr(rows, mode="r"))


def cluster_quality(
    frames: Sequence[np.ndarray], references: Sequence[np.ndarray], clusters: int, seed: int
) -> dict[str, Any] | None:
    """How much k-means clusters tell about a reference: what ``Agreement.summary`` says, None if no frame has a reference.

    Clusters are fitted on every other utterance and read on the ones between.  ConfigError if there are fewer frames than
    clusters.

    Shape: frames U x (K, D), references U x (K,) int64, -1 where nothing is known
    """
    fitted, read = np.concatenate(frames[::2]), frames[1::2]
    if len(fitted) < clusters:
        raise ConfigError(f"`--clusters` is {clusters}, but half of the utterances have {len(fitted)} frames: take fewer")
    model = MiniBatchKMeans(clusters, random_state=seed, n_init=1, batch_size=4096).fit(fitted)
    agreement = Agreement(clusters)
    for rows, reference in zip(read, references[1::2], strict=True):
        agreement.add(reference, model.predict(rows).astype(np.int64))
    summary = agreement.summary()
    return summary if summary["frames"] else None
