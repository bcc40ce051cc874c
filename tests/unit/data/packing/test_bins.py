"""The batch-size paper's rule."""

from __future__ import annotations

import numpy as np
import pytest

from fairseq_budget.data.packing import bins
from fairseq_budget.data.packing.bins import Bins
from fairseq_budget.data.packing.librispeech import librispeech_like

SECOND = 16_000


def batches(seconds: list[float], limit_seconds: float, most: int = 100) -> list[list[float]]:
    lengths = (np.array(seconds) * SECOND).astype(int)
    found = Bins(lengths, int(limit_seconds * SECOND), most, True).batches(np.random.default_rng(0))
    return [(lengths[batch] / SECOND).tolist() for batch in found]


def test_few_utterances_leave_the_queue_shortest_first() -> None:
    assert batches([5, 1, 3, 2, 4], limit_seconds=9) == [[1, 2, 3], [4], [5]]
    assert batches([5, 1, 3, 2, 4], limit_seconds=99, most=2) == [[1, 2], [3, 4], [5]]


def test_padding_counts() -> None:
    assert batches([1, 4, 4], limit_seconds=9) == [[1, 4], [4]], "1 + 4 + 4 s would fit, 3 x 4 s don't"


@pytest.mark.parametrize("longest, kept", [(12.0, 1), (12.1, 0)])
def test_a_batch_of_too_different_lengths_is_dropped(longest: float, kept: int) -> None:
    assert len(batches([2, 5, longest], limit_seconds=60)) == kept


def test_bins_bring_similar_lengths_together(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = librispeech_like(20_000)

    def spread() -> float:
        found = Bins(lengths, 2_400_000, 10**6, True).batches(np.random.default_rng(0))
        return float(np.mean([np.ptp(lengths[batch]) for batch in found])) / SECOND

    in_bins = spread()
    monkeypatch.setattr(bins, "BIN", len(lengths))
    assert in_bins < 0.5 * spread()


def test_the_queue_mixes_bins() -> None:
    """The longest of a bin wait in the queue for the shortest of the next one."""
    lengths = np.arange(2 * bins.BIN) + SECOND
    found = Bins(lengths, 2_400_000, 10**6, True).batches(np.random.default_rng(0))
    of_bin = [set((np.sort(batch) // bins.BIN).tolist()) for batch in found]
    assert {0} in of_bin and {1} in of_bin
    assert {0, 1} in of_bin
