"""What is measured, on batches that can be counted by hand, and lengths like LibriSpeech's."""

from __future__ import annotations

import numpy as np
import pytest

from fairseq_budget.data.packing import pack
from fairseq_budget.data.packing.librispeech import librispeech_filled, librispeech_like
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
    """Published: 24.74 and 3.25 epochs, where full batches give 27.85 and 3.66.  Without the multiple of 8 it is 0.914 on
    lengths drawn from train-clean-100."""
    lengths = librispeech_like(30_000)
    lengths = lengths[lengths >= 32_000]
    cropped = np.minimum(lengths, 250_000)
    free = measure(pack("sorted", cropped, 1_400_000, multiple=1), lengths, 250_000, 1_400_000)
    assert free.efficiency == pytest.approx(0.914, abs=0.004)
    assert librispeech_filled("sorted", 1_400_000, 250_000) == pytest.approx(24.74 / 27.85, abs=0.001)
    assert librispeech_filled("sorted", 1_400_000, 250_000) == pytest.approx(3.25 / 3.66, abs=0.002)


def test_batches_of_half_the_size_are_less_full() -> None:
    """HuBERT Large makes 160,144 updates of 2 x 700,000 samples, wav2vec 2.0 Large 72,234 of twice as many (released)."""
    halves = librispeech_filled("sorted", 700_000, 250_000) / librispeech_filled("sorted", 1_400_000, 250_000)
    assert halves == pytest.approx(2 * 72_234 / 160_144, abs=0.005)
