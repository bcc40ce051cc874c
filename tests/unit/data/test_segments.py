"""Segments of equal length: nothing is lost, nothing moves, and the lengths are the published ones."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.packing.librispeech import librispeech_like
from fairseq_budget.data.segments import PUBLISHED, SPREAD, Segments, average_samples, bounds, cut
from fairseq_budget.errors import ConfigError

corpora = st.lists(st.tuples(st.integers(1, 600_000), st.integers(0, 4)), min_size=1, max_size=40)
lengths_in_seconds = st.floats(1, 40)


@given(corpora, lengths_in_seconds)
def test_every_sample_is_in_exactly_one_segment(corpus: list[tuple[int, int]], seconds: float) -> None:
    frames, speakers = np.array(corpus).T
    cuts = cut(frames, speakers, seconds)
    covered = [np.zeros(length, dtype=int) for length in frames]
    for index, length in enumerate(cuts.frames):
        pieces = cuts.pieces(index)
        assert sum(samples for _, _, samples in pieces) == length > 0
        for row, offset, samples in pieces:
            assert 0 <= offset < offset + samples <= frames[row]
            covered[row][offset : offset + samples] += 1
    assert all((row == 1).all() for row in covered)
    assert cuts.frames.sum() == frames.sum()


@given(corpora, lengths_in_seconds)
def test_segments_keep_to_a_speaker_and_to_the_order(corpus: list[tuple[int, int]], seconds: float) -> None:
    frames, speakers = np.array(corpus).T
    cuts = cut(frames, speakers, seconds)
    heard: dict[int, list[tuple[int, int]]] = {}
    for index in range(len(cuts.frames)):
        pieces = cuts.pieces(index)
        assert len({int(speakers[row]) for row, _, _ in pieces}) == 1
        assert [row for row, _, _ in pieces] == sorted({row for row, _, _ in pieces})
        for row, offset, _ in pieces:
            heard.setdefault(row, []).append((index, offset))
    for places in heard.values():
        assert places == sorted(places)
        assert [offset for _, offset in places] == sorted(offset for _, offset in places)


@given(corpora, lengths_in_seconds)
def test_lengths_are_within_a_second_wherever_a_speaker_allows(corpus: list[tuple[int, int]], seconds: float) -> None:
    frames, speakers = np.array(corpus).T
    shortest, longest = bounds(seconds)
    assert longest - shortest <= SPREAD
    cuts = cut(frames, speakers, seconds)
    for index, length in enumerate(cuts.frames):
        total = frames[speakers == speakers[cuts.pieces(index)[0][0]]].sum()
        if any(shortest * parts <= total <= longest * parts for parts in range(1, total // shortest + 2)):
            assert shortest <= length <= longest


@pytest.mark.parametrize("seconds", PUBLISHED)
@pytest.mark.parametrize("alone", [True, False])
def test_the_published_averages(seconds: float, alone: bool) -> None:
    """Gao et al. 2022: 1.1, 5.2, 10.4, 15.8 s to 0.01 s; a spread of at most 1 s; the hours unchanged."""
    frames = librispeech_like(30_000)
    speakers = np.arange(len(frames)) // 120 if alone else np.zeros(len(frames), dtype=int)
    segments = cut(frames, speakers, seconds).frames
    assert segments.mean() / 16_000 == pytest.approx(PUBLISHED[seconds], abs=0.01)
    assert segments.max() - segments.min() <= 16_000
    assert segments.sum() == frames.sum()


def test_utterances_that_divide_evenly_are_not_joined() -> None:
    """Of 1 s segments none needs a joint; of 15 s segments nearly all do, but an utterance of that length."""
    frames = librispeech_like(30_000)
    speakers = np.arange(len(frames)) // 120
    joints = {seconds: np.mean(np.diff(cut(frames, speakers, seconds).first) > 1) for seconds in (1, 5, 15)}
    assert joints[1] == 0
    assert joints[5] < 0.2
    assert 0.5 < joints[15] < 0.9


def test_averages_between_and_beyond_the_published() -> None:
    assert [average_samples(seconds) for seconds in (1, 15)] == [17_600, 252_800]
    assert 17_600 < average_samples(2) < average_samples(5) == 83_200
    assert average_samples(30) == 2 * 252_800


@pytest.mark.parametrize("seconds", [0.99, 0, -1, 3600, float("nan"), float("inf")])
def test_lengths_that_are_none(seconds: float) -> None:
    with pytest.raises(ConfigError, match="`segment_seconds` must be from 1 to 3600"):
        average_samples(seconds)


@pytest.fixture
def source(tmp_path: Path) -> Manifest:
    """Three files at 16 kHz whose samples count on from one to the next."""
    lengths = [30_000, 21_000, 52_000]
    begin = 0
    for index, length in enumerate(lengths):
        soundfile.write(tmp_path / f"{index}.wav", np.arange(begin, begin + length) / 2**18, 16_000, subtype="FLOAT")
        begin += length
    return Manifest(tmp_path, ["0.wav", "1.wav", "2.wav"], np.array(lengths))


def test_the_audio_of_segments(source: Manifest, tmp_path: Path) -> None:
    """All segments, one after another, are all files, one after another; also when written and read, and re-cut again."""
    everything = np.arange(103_000)
    segments = Segments(source, np.zeros(3, dtype=int), 2)
    assert len(segments) == 3
    assert max(len(segments.pieces(index)) for index in range(3)) == 2
    segments.write(tmp_path / "segments.tsv")
    written = Manifest.read(tmp_path / "segments.tsv")
    again = Segments(written, np.zeros(3, dtype=int), 1)
    assert len(again) == 6
    for cut_audio in (segments, written, again, pickle.loads(pickle.dumps(segments))):
        waves = [cut_audio.read_audio(index) for index in range(len(cut_audio))]
        assert [len(wave) for wave in waves] == cut_audio.frames.tolist()
        np.testing.assert_array_equal(np.concatenate(waves) * 2**18, everything)
        assert cut_audio.hours == source.hours
    assert segments.where(0) == source.where(0)


def test_a_file_that_is_a_segment_stays_a_file(tmp_path: Path) -> None:
    """So its length is still compared with the row."""
    segments = Segments(Manifest(tmp_path, ["a.wav"], np.array([33_000])), np.zeros(1, dtype=int), 2)
    assert segments.pieces(0)[0].whole


def test_what_a_speaker_cannot_give_is_told(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, ["a", "b", "c"], np.array([160_000, 120_000, 219_200]))
    apart = Segments(manifest, np.arange(3), 10)
    assert apart.outside == 2
    assert "3 segments of 7.50 to 13.70 s, 10.40 s on average; 2 are not within 1 s of the others" in apart.description
    together = Segments(manifest, np.zeros(3, dtype=int), 10)
    assert together.outside == 0
    assert "not within" not in together.description
