"""What is new of a crop, against a list of every sample."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.crops import crop_start, new_samples, uncovered


@given(st.integers(0, 40), st.integers(1, 20), st.lists(st.integers(0, 40), max_size=6))
def test_uncovered_is_what_a_list_of_samples_says(start: int, length: int, others: list[int]) -> None:
    covered = {sample for other in others for sample in range(other, other + length)}
    assert uncovered(start, length, others) == len(set(range(start, start + length)) - covered)


@given(st.integers(0, 3), st.integers(0, 5), st.integers(0, 30), st.integers(1, 20), st.integers(1, 8))
def test_all_epochs_together_are_what_was_heard_of_an_utterance(
    seed: int, index: int, spare: int, length: int, epochs: int
) -> None:
    heard: set[int] = set()
    for epoch in range(1, epochs + 1):
        start = crop_start(seed, epoch, index, spare)
        now = set(range(start, start + length))
        assert 0 <= start <= spare
        assert new_samples(seed, epoch, index, spare, start, length) == len(now - heard)
        heard |= now


def test_an_utterance_that_is_heard_whole_is_new_once() -> None:
    assert [new_samples(1, epoch, 7, 0, 0, 100) for epoch in (1, 2, 1000)] == [100, 0, 0]
