"""Labels of segments: every one where the audio is that it was made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.labels import crop_labels
from fairseq_budget.data.segment_labels import WINDOW, SegmentLabels, join_labels
from fairseq_budget.data.segments import cut

RATES = st.sampled_from([50.0, 100.0])


def labels_of(samples: int, rate: float, first: int = 0) -> np.ndarray:
    """As many labels as windows of 25 ms fit, each saying which it is."""
    step = round(16_000 / rate)
    return first + np.arange(max(0, (samples - WINDOW) // step + 1))


@given(st.integers(400, 200_000), RATES)
def test_a_whole_utterance_has_its_own_labels(samples: int, rate: float) -> None:
    labels = labels_of(samples, rate)
    np.testing.assert_array_equal(join_labels([labels], [0], [samples], rate), labels)


@given(st.integers(16_000, 100_000), st.integers(0, 14_000), st.integers(700, 2_000), RATES)
def test_a_slice_has_the_labels_of_a_crop(samples: int, offset: int, length: int, rate: float) -> None:
    labels = labels_of(samples, rate)
    joined = join_labels([labels], [offset], [length], rate)
    cropped = crop_labels(labels, offset, length, rate)
    assert abs(len(joined) - len(cropped)) <= 1
    assert np.abs(joined[: len(cropped)] - cropped[: len(joined)]).max() <= 1, "rounded to one side or the other"


@given(st.lists(st.tuples(st.integers(400, 60_000), st.integers(0, 2)), min_size=1, max_size=25), st.floats(1, 8), RATES)
def test_no_label_is_more_than_a_frame_beside_its_audio(corpus: list[tuple[int, int]], seconds: float, rate: float) -> None:
    """Label k of a row says row x 10000 + k; compared with the sample in the middle of each window of the segment."""
    frames, speakers = np.array(corpus).T
    cuts = cut(frames, speakers, seconds)
    rows = [labels_of(length, rate, 10_000 * row) for row, length in enumerate(frames)]
    joined, step = SegmentLabels(rows, cuts, rate), 16_000 / rate
    assert len(joined) == len(cuts.frames)
    for segment in range(len(joined)):
        source = np.concatenate(
            [np.stack([np.full(n, row), offset + np.arange(n)]) for row, offset, n in cuts.pieces(segment)], axis=1
        )
        found = joined[segment]
        assert len(found) <= round(source.shape[1] / step)
        middles = (np.arange(len(found)) * step + WINDOW / 2).astype(int)
        inside = middles < source.shape[1]
        row, sample = source[:, middles[inside]]
        expected = np.clip((sample - WINDOW / 2) / step, 0, [len(rows[r]) - 1 for r in row])
        assert (found[inside] // 10_000 == row).all(), "of the right utterance"
        assert np.abs(found[inside] % 10_000 - expected).max(initial=0) <= 0.51
        # what is missing at the end is what any utterance misses, or the rounding of the last frame
        assert len(found) >= source.shape[1] / step - 3.5


def test_the_last_label_stands_for_those_that_an_utterance_lacks() -> None:
    """Its last window doesn't fit; what follows the joint must not be shifted for that."""
    first, second = labels_of(16_000, 100.0), labels_of(16_000, 100.0, 1000)
    joined = join_labels([first, second], [8_000, 0], [8_000, 16_000], 100.0)
    assert joined[:52].tolist() == [*range(50, 98), 97, 1000, 1000, 1001]
    assert joined[-1] == 1097
    assert len(joined) == 148


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_utterance_too_short_for_a_label_takes_a_neighbours(place: int) -> None:
    rows = [labels_of(16_000, 100.0, 1000 * row) for row in range(3)]
    rows[place], frames = rows[place][:0], [16_000, 16_000, 16_000]
    frames[place] = 390
    joined = join_labels(rows, [0, 0, 0], frames, 100.0)
    assert set(np.unique(joined // 1000)) == {0, 1, 2} - {place}
    assert 198 <= len(joined) <= 202


def test_nothing_but_short_utterances() -> None:
    assert join_labels([np.empty(0, int)] * 2, [0, 0], [300, 300], 100.0).shape == (0,)
