"""What every packer keeps to, whatever its rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.packing import pack
from fairseq_budget.errors import ConfigError

RULES = [("sorted", False), ("sorted", True), ("buckets", False), ("buckets", True), ("bins", True)]

corpora = st.lists(st.integers(400, 400_000), min_size=1, max_size=150).map(np.array)
limits = st.integers(400_000, 3_000_000)
rows_at_most = st.one_of(st.none(), st.integers(1, 12))


def draw(rule: str, padding: bool, lengths: np.ndarray, limit: int, most: int | None, seed: int = 1) -> list[np.ndarray]:
    return list(pack(rule, lengths, limit, most, padding).batches(np.random.default_rng(seed)))


@pytest.mark.parametrize("rule, padding", RULES)
@given(lengths=corpora, limit=limits, most=rows_at_most)
def test_every_utterance_is_in_one_batch(
    rule: str, padding: bool, lengths: np.ndarray, limit: int, most: int | None
) -> None:
    chosen = np.concatenate([[], *draw(rule, padding, lengths, limit, most)]).astype(int)
    assert len(np.unique(chosen)) == len(chosen), "once at most"
    if rule != "bins":
        assert len(chosen) == len(lengths), "and nobody is left out, except where the rule drops batches"


@pytest.mark.parametrize("rule, padding", RULES)
@given(lengths=corpora, limit=limits, most=rows_at_most, data=st.data())
def test_no_batch_costs_more_than_the_limit(
    rule: str, padding: bool, lengths: np.ndarray, limit: int, most: int | None, data: st.DataObject
) -> None:
    packer = pack(rule, lengths, limit, most, padding)
    for batch in packer.batches(np.random.default_rng(1)):
        members = lengths[batch]
        row = packer.row_length(members)
        assert len(batch) * row <= limit
        assert most is None or len(batch) <= most
        assert padding or row <= members.min(), "without padding, everyone fills the row"
        # also when the loader leaves out audio that it cannot read
        rest = members[data.draw(st.integers(0, len(members) - 1)) :]
        assert len(rest) * packer.row_length(rest) <= limit


@pytest.mark.parametrize("rule, padding", RULES)
@given(lengths=corpora, limit=limits, seed=st.integers(0, 2**32))
def test_batches_depend_on_the_seed_alone(rule: str, padding: bool, lengths: np.ndarray, limit: int, seed: int) -> None:
    np.random.seed(1)
    first = draw(rule, padding, lengths, limit, None, seed)
    np.random.seed(2)
    again = draw(rule, padding, lengths.copy(), limit, None, seed)
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]


@pytest.mark.parametrize("rule, padding", RULES)
def test_another_epoch_has_other_batches(rule: str, padding: bool) -> None:
    lengths = np.repeat(np.arange(20_000, 60_000, 1_000), 8)
    first, second = (draw(rule, padding, lengths, 400_000, None, seed) for seed in (1, 2))
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in second]


@pytest.mark.parametrize("rule, padding", RULES)
def test_nothing_to_pack(rule: str, padding: bool) -> None:
    assert draw(rule, padding, np.array([], dtype=int), 10, None) == []


def test_an_utterance_that_fits_no_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="an utterance of 10 samples doesn't fit into a batch of 9"):
        pack("buckets", np.array([10, 5]), 9)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="`task.batching` must be one of buckets, sorted, bins, but is `random`"):
        pack("random", np.array([5]), 9)


def test_bins_without_padding_are_refused() -> None:
    with pytest.raises(ConfigError, match="`task.batching` = bins .* add `task.padding=true`"):
        pack("bins", np.array([5]), 9)


@given(lengths=st.lists(st.integers(400, 4_000), min_size=1, max_size=200).map(np.array), limit=st.integers(4_000, 100_000))
def test_eight_rows_or_more_are_a_multiple_of_eight(lengths: np.ndarray, limit: int) -> None:
    """As fairseq makes batches (`dataset.required_batch_size_multiple`); what is left at the end is taken as it is."""
    batches = draw("sorted", False, lengths, limit, None)
    for batch in batches[:-1]:
        most = limit // lengths[batch].max()
        assert len(batch) == (most if most < 8 else most // 8 * 8)
