"""Full batches of a few shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.packing.buckets import LARGEST_CROP, STEP, Buckets
from fairseq_budget.data.packing.librispeech import librispeech_like
from fairseq_budget.data.packing.statistics import PackingStatistics, measure

PUBLISHED_LIMIT, PUBLISHED_CROP, PUBLISHED_SHORTEST = 1_400_000, 250_000, 32_000

corpora = st.lists(st.integers(400, 400_000), min_size=1, max_size=150).map(np.array)


def look(utterances: int, padding: bool, limit: int = PUBLISHED_LIMIT) -> PackingStatistics:
    lengths = librispeech_like(utterances)
    lengths = lengths[lengths >= PUBLISHED_SHORTEST]
    packer = Buckets(np.minimum(lengths, PUBLISHED_CROP), limit, limit, padding)
    return measure(packer, lengths, PUBLISHED_CROP, limit)


@pytest.mark.parametrize("padding, heard", [(False, 0.92), (True, 0.96)])
def test_batches_are_full_on_lengths_like_librispeechs(padding: bool, heard: float) -> None:
    seen = look(30_000, padding)
    assert seen.efficiency >= 0.97
    assert seen.heard >= heard, "what is cropped away is heard in another epoch, but there should be little of it"
    assert seen.shapes <= 20
    assert seen.commonest < 0.75, "batches have several lengths"
    assert seen.spread_seconds > 1, "and their members too, before cropping"
    assert seen.meet_again < 0.05, "who share a batch are others in every epoch"


def test_ten_hours_are_enough_to_fill_batches() -> None:
    assert look(2_900, padding=False).efficiency >= 0.97


@given(corpora, st.integers(400_000, 3_000_000), st.one_of(st.none(), st.integers(1, 12)), st.booleans())
def test_rows_fall_in_small_steps(lengths: np.ndarray, limit: int, most: int | None, padding: bool) -> None:
    rows = Buckets(lengths, limit, most or limit, padding).rows
    assert lengths.max() / STEP <= rows[0] <= lengths.max()
    assert rows[-1] <= lengths.min()
    assert np.all(np.diff(rows) < 0)
    assert np.all(rows[1:] >= np.floor(rows[:-1] / STEP))


@given(corpora, st.integers(400_000, 3_000_000), st.booleans())
def test_nobody_loses_more_than_half_of_a_small_corpus(lengths: np.ndarray, limit: int, padding: bool) -> None:
    packer = Buckets(lengths, limit, limit, padding)
    for batch in packer.batches(np.random.default_rng(0)):
        assert lengths[batch].max() <= LARGEST_CROP * packer.row_length(lengths[batch])


def test_padding_goes_to_the_nearer_row() -> None:
    packer = Buckets(np.array([100, 95, 90, 88]), 600, 600, True)
    assert packer.rows.tolist() == [100, 85]
    assert [packer.row_length(np.array([length])) for length in (100, 92, 91, 85)] == [100, 100, 85, 85]


def test_rows_are_those_that_fill_a_batch() -> None:
    """The last one is as near to the shortest utterance as may be."""
    rows = Buckets(np.array([250_000, 130_000]), PUBLISHED_LIMIT, PUBLISHED_LIMIT, False).rows
    assert rows.tolist() == [PUBLISHED_LIMIT // count for count in (6, 7, 8, 9, 10, 11)]
