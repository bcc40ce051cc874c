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
