"""Batches as arrays are the batches that lists of them would be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.packing.batches import Batches, extremes

sizes = st.lists(st.integers(1, 5), max_size=20)


def both(sizes: list[int]) -> tuple[Batches, list[list[int]]]:
    """Utterances in falling order, divided."""
    members = np.arange(sum(sizes), dtype=np.int32)[::-1]
    ends = np.cumsum([0, *sizes])
    lists = [members[a:b].tolist() for a, b in zip(ends, ends[1:], strict=False)]
    return Batches.of_sizes(members, np.array(sizes, dtype=np.int64)), lists


def listed(batches: Batches) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


@given(sizes, st.integers(-25, 25), st.integers(-25, 25))
def test_it_is_a_sequence(sizes: list[int], start: int, stop: int) -> None:
    batches, lists = both(sizes)
    assert listed(batches) == lists and len(batches) == len(lists)
    assert listed(batches[start:stop]) == lists[start:stop]
    assert listed(batches[start:][stop:]) == lists[start:][stop:]
    if -len(lists) <= start < len(lists):
        assert batches[start].tolist() == lists[start]
    else:
        with pytest.raises(IndexError):
            batches[start]


@given(sizes, st.data())
def test_some_are_kept_and_members_are_renamed(sizes: list[int], data: st.DataObject) -> None:
    batches, lists = both(sizes)
    wanted = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    expected = [batch for batch, is_wanted in zip(lists, wanted, strict=True) if is_wanted]
    assert listed(batches.kept(np.array(wanted, dtype=bool))) == expected
    names = np.arange(sum(sizes)) + 100
    assert listed(batches.renamed(names)) == [[index + 100 for index in batch] for batch in lists]
    shortest, longest = extremes(batches, names)
    assert (shortest - 100).tolist() == [min(batch) for batch in lists]
    assert (longest - 100).tolist() == [max(batch) for batch in lists]
