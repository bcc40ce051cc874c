"""How good labels are: how evenly they are used, how long they last, and how much they tell about phones.

Letters in shapes: K clusters, P phones (or reference labels), F frames of an utterance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


class Histogram:
    """Counts of labels, and of the runs in which they stay the same."""

    def __init__(self, clusters: int) -> None:
        self.counts = np.zeros(clusters, dtype=np.int64)
        self._utterances = 0
        self._runs = np.zeros(0, dtype=np.int64)
        """How many runs last so many frames."""

    def add(self, labels: np.ndarray) -> None:
        """Shape: (F,) integers below K"""
        self._utterances += 1
        self.counts += np.bincount(labels, minlength=len(self.counts))
        edges = np.flatnonzero(np.diff(labels)) + 1
        runs = np.bincount(np.diff(np.concatenate([[0], edges, [len(labels)]]))) if len(labels) else self._runs[:0]
        self._runs = _padded(self._runs, len(runs))
        self._runs[: len(runs)] += runs

    def counting(self, utterances: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same labels, counted as they pass."""
        for labels in utterances:
            self.add(labels)
            yield labels

    def summary(self, rate: float) -> dict[str, Any]:
        """Sizes, use and duration of labels that come `rate` a second.

        ``perplexity`` is 2 to the entropy of the labels' frequencies: how many clusters would be in use if all were used
        equally; ``dead_clusters`` are used nowhere.
        """
        frames, runs = int(self.counts.sum()), int(self._runs.sum())
        lasting = np.arange(len(self._runs))
        bits = entropy_bits(self.counts)
        return {
            "utterances": self._utterances,
            "frames": frames,
            "dead_clusters": int((self.counts == 0).sum()),
            "entropy_bits": bits,
            "perplexity": 2.0**bits,
            "largest_share": float(self.counts.max() / frames) if frames else 0.0,
            "mean_run_seconds": float((lasting * self._runs).sum() / runs / rate) if runs else 0.0,
            "median_run_seconds": float(np.searchsorted(self._runs.cumsum(), runs / 2) / rate),
            "longest_run_seconds": (len(self._runs) - 1) / rate if runs else 0.0,
        }


class Agreement:
    """How much labels tell about a reference: phones, or the labels of another round."""

    def __init__(self, clusters: int) -> None:
        self._joint = np.zeros((0, clusters), dtype=np.int64)
        self._unknown = 0

    def add(self, reference: np.ndarray, labels: np.ndarray) -> None:
        """Count frames; those with a reference of -1 are left out.  Shape: (F,), (F,)"""
        known = reference >= 0
        self._unknown += int((~known).sum())
        clusters = self._joint.shape[1]
        pairs = np.bincount(reference[known] * clusters + labels[known])
        rows = -(-len(pairs) // clusters)
        # (P, K), with rows for all that have been met
        self._joint = _padded(self._joint, rows)
        self._joint[:rows] += np.pad(pairs, (0, rows * clusters - len(pairs))).reshape(rows, clusters)

    def summary(self) -> dict[str, Any]:
        """Phone purity, cluster purity and PNMI with p(i, j) the share of frames with phone i and label j.

        - phone purity: ``sum_j max_i p(i, j)``, the accuracy if each cluster is read as its most frequent phone
        - cluster purity: ``sum_i max_j p(i, j)``
        - PNMI: ``I(y; z) / H(y)``, the share of the phones' entropy that the labels remove

        Source: Hsu et al. 2021, section IV-E, equations 8, 9 and 10 to 12.  More clusters give higher phone purity and
        lower cluster purity, so compare the same number of them.
        """
        joint = self._joint[self._joint.any(1)]
        frames = int(joint.sum())
        if not frames:
            return {"phones": 0, "frames": 0, "unknown_frames": self._unknown}
        phone_bits = entropy_bits(joint.sum(1))
        mutual_bits = phone_bits + entropy_bits(joint.sum(0)) - entropy_bits(joint)
        return {
            "phones": len(joint),
            "frames": frames,
            "unknown_frames": self._unknown,
            "phone_purity": float(joint.max(0).sum() / frames),
            "cluster_purity": float(joint.max(1).sum() / frames),
            "pnmi": mutual_bits / phone_bits if phone_bits else 0.0,
            "phone_entropy_bits": phone_bits,
            "mutual_information_bits": mutual_bits,
        }


def entropy_bits(counts: np.ndarray) -> float:
    """Entropy of the frequencies that counts stand for, of any shape."""
    used = counts[counts > 0]
    shares = used / used.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def _padded(counts: np.ndarray, rows: int) -> np.ndarray:
    """With rows of zeros up to so many."""
    more = max(0, rows - len(counts))
    return np.pad(counts, [(0, more)] + [(0, 0)] * (counts.ndim - 1))
