"""What is measured, on batches that can be counted by hand, and lengths like LibriSpeech's."""

from __future__ import annotations

import numpy as np
import pytest

from fairseq_budget.data.packing import pack
from fairseq_budget.data.packing.librispeech import librispeech_like
from fairseq_budget.data.packing.statistics import PackingStatistics, measure


def test_cropped_batches_counted_by_hand() -> None:
    """Two batches, of 2 x 4 and 2 x 2 samples: the utterances of 6 and 3 are cropped, the second batch is half empty."""
    lengths = np.array([6, 4, 3, 2])
    seen = measure(pack("sorted", np.minimum(lengths, 4), 8), lengths, longest_crop=4, max_samples=8)
    assert seen == PackingStatistics(
        batches=2,
        efficiency=12 / 16,
        heard=12 / 15,
        left_out=0,
        padded=0,
        shapes=2,
        commonest=0.5,
        spread_seconds=1.5 / 16_000,
        meet_again=1,
    )


def test_padded_batches_counted_by_hand() -> None:
    lengths = np.array([4, 4, 3, 2])
    seen = measure(pack("sorted", lengths, 8, padding=True), lengths, longest_crop=9, max_samples=8)
    assert (seen.efficiency, seen.heard, seen.padded) == (13 / 16, 1, pytest.approx(1 / 14))


def test_dropped_batches_are_counted() -> None:
    lengths = np.array([1, 200_000, 200_001])
    seen = measure(pack("bins", lengths, 400_002, padding=True), lengths, longest_crop=10**6, max_samples=400_002)
    assert (seen.batches, seen.left_out) == (1, pytest.approx(2 / 3))
    nothing = measure(pack("bins", lengths[:2], 10**6, padding=True), lengths[:2], longest_crop=10**6, max_samples=10**6)
    assert (nothing.batches, nothing.efficiency, nothing.left_out) == (0, 0, 1)


def test_lengths_are_like_librispeechs() -> None:
    seconds = librispeech_like(100_000) / 16_000
    assert seconds.mean() == pytest.approx(960.9 * 3600 / 281_241, abs=0.1)
    assert np.median(seconds) == pytest.approx(14.0, abs=0.1)


def test_the_published_rule_is_as_full_as_on_the_real_lengths() -> None:
    """About 0.91 on lengths drawn from train-clean-100, at 1.4 M samples and crops of 250k."""
    lengths = librispeech_like(30_000)
    lengths = lengths[lengths >= 32_000]
    seen = measure(pack("sorted", np.minimum(lengths, 250_000), 1_400_000), lengths, 250_000, 1_400_000)
    assert seen.efficiency == pytest.approx(0.91, abs=0.01)
