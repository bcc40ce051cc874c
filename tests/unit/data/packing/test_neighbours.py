"""The published rule."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.packing.neighbours import Neighbours


@given(st.lists(st.integers(1, 500), min_size=1, max_size=200).map(np.array), st.integers(500, 3000))
def test_neighbours_by_length_share_a_batch_that_takes_no_more(lengths: np.ndarray, limit: int) -> None:
    batches = [lengths[batch] for batch in Neighbours(lengths, limit, limit, False).batches(np.random.default_rng(0))]
    assert np.concatenate(batches).tolist() == sorted(lengths, reverse=True)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * batch[0] > limit, "another one would have fitted"


@given(
    st.lists(st.integers(400, 9_000), min_size=1, max_size=200).map(np.array),
    st.integers(9_000, 200_000),
    st.one_of(st.just(10**6), st.integers(1, 30)),
)
def test_batches_are_those_of_the_rule_in_words(lengths: np.ndarray, limit: int, most: int) -> None:
    """As they were made one by one, which takes a minute for ten million."""
    order = np.lexsort((np.random.default_rng(3).permutation(len(lengths)), lengths))[::-1]
    expected, start = [], 0
    while start < len(order):
        rows = min(int(limit // lengths[order[start]]), most)
        if rows < len(order) - start:
            rows = max(rows - rows % 8, rows % 8)
        expected.append(order[start : start + rows].tolist())
        start += rows
    found = Neighbours(lengths.astype(np.int32), limit, most, False, 8).batches(np.random.default_rng(3))
    assert [batch.tolist() for batch in found] == expected


def test_equal_lengths_change_places() -> None:
    packer = Neighbours(np.full(30, 7), 21, 21, False)
    first, second = (packer.batches(np.random.default_rng(seed)) for seed in (1, 2))
    assert all(len(batch) == 3 for batch in [*first, *second])
    together = {tuple(sorted(batch.tolist())) for batch in first}
    assert together != {tuple(sorted(batch.tolist())) for batch in second}


def test_rows_are_cropped_to_the_shortest_or_padded_to_the_longest() -> None:
    lengths = np.array([3, 9, 5])
    rows = [Neighbours(lengths, 90, 90, padding).row_length(lengths) for padding in (False, True)]
    assert rows == [3, 9]
