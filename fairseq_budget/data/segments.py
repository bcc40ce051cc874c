"""Utterances re-cut to one length, for a study of sequence lengths.

Gao et al. 2022 ("Match to Win") re-cut LibriSpeech into utterances of 1, 5, 10 and 15 s by truncating or concatenating:
average lengths 1.1, 5.2, 10.4 and 15.8 s, each set spread over less than 1 s, the total hours unchanged.  They print the
averages, not the rule; this one gives them (``cut``).

N rows of a manifest become M segments made of P pieces; lengths are samples at 16 kHz.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.data.manifest import Manifest, Utterances
from fairseq_budget.data.rows import Part, stretch
from fairseq_budget.errors import ConfigError

PUBLISHED = {1.0: 1.1, 5.0: 5.2, 10.0: 10.4, 15.0: 15.8}
"""Average length, in seconds, of the segments "of so many seconds" (Gao et al. 2022)."""

SPREAD = SAMPLE_RATE
"""The longest segment is at most so much longer than the shortest: 1 s (Gao et al. 2022)."""


def average_samples(seconds: float) -> int:
    """The average length of segments "of `seconds`": the published ones, between them on a line, beyond them in proportion.

    Raises:
        ConfigError: below 1 s, where a spread of 1 s would leave no length, and what is no length.
    """
    if not 1 <= seconds < 3600:
        raise ConfigError(f"segments of {seconds:g} s: `segment_seconds` must be from 1 to 3600; those studied are 1 to 15")
    longest = max(PUBLISHED)
    average = np.interp(min(seconds, longest), list(PUBLISHED), list(PUBLISHED.values())) * max(1.0, seconds / longest)
    return round(float(average) * SAMPLE_RATE)


def bounds(seconds: float) -> tuple[int, int]:
    """The shortest and the longest segment "of `seconds`", in samples."""
    average = average_samples(seconds)
    return average - SPREAD // 2, average + SPREAD // 2


def check_limits(seconds: float, min_sample_size: int, max_sample_size: int) -> None:
    """Raise ConfigError where the limits of `task.{min,max}_sample_size` would leave segments out or crop them."""
    shortest, longest = bounds(seconds)
    if not min_sample_size <= shortest < longest <= max_sample_size:
        raise ConfigError(
            f"`task.segment_seconds` = {seconds:g} makes segments of {shortest} to {longest} samples, but "
            f"`task.min_sample_size` = {min_sample_size} and `task.max_sample_size` = {max_sample_size} would leave "
            f"out or crop some: set task.min_sample_size={min(shortest, min_sample_size)} "
            f"task.max_sample_size={max(longest, max_sample_size)}"
        )


@dataclass(frozen=True)
class Cuts:
    """Where a manifest's rows are cut, and which pieces make a segment.

    All rows lie one after another in some order.  Piece p is the stretch from `edges[p]` to `edges[p + 1]` and belongs to
    row `rows[p]`, which begins at `begins[rows[p]]`.  Segment m is made of the pieces from `first[m]` to `first[m + 1]`.

    Shape: edges (P + 1,), rows (P,), begins (N,), first (M + 1,), int64
    """

    edges: np.ndarray
    rows: np.ndarray
    begins: np.ndarray
    first: np.ndarray

    @property
    def frames(self) -> np.ndarray:
        """Length of each segment.  Shape: (M,)"""
        return np.diff(self.edges[self.first])

    def pieces(self, segment: int) -> list[tuple[int, int, int]]:
        """The (row, offset in it, samples) that a segment is made of, in the order they are heard."""
        pieces = range(int(self.first[segment]), int(self.first[segment + 1]))
        rows = self.rows[pieces.start : pieces.stop].tolist()
        offsets = self.edges[pieces.start : pieces.stop] - self.begins[rows]
        lengths = np.diff(self.edges[pieces.start : pieces.stop + 1])
        return list(zip(rows, offsets.tolist(), lengths.tolist(), strict=True))


def cut(frames: np.ndarray, speakers: np.ndarray, seconds: float) -> Cuts:
    """Cut rows into segments "of `seconds`" that are made of one speaker's audio each.

    An utterance that can be divided evenly into segments within ``bounds`` is only divided.  A speaker's other utterances
    are concatenated in their order and divided evenly, into as many segments as bring the speaker's average nearest to
    ``average_samples``.  Where that cannot be within the bounds, all of the speaker's utterances are concatenated; segments
    are out of bounds only where all that a speaker has cannot be divided into lengths within them.

    Every sample of every row is in exactly one segment.

    Shape: frames (N,) int64 above 0, speakers (N,) int from 0 (all the same: any two utterances may be joined)
    """
    alone = _fits(frames, seconds)
    joined = np.bincount(speakers, np.where(alone, 0, frames))
    alone &= ((joined == 0) | _fits(joined, seconds))[speakers]
    # a stream is an utterance alone, or a speaker's others; its number is its first row
    leaders = np.full(len(joined), len(frames))
    np.minimum.at(leaders, speakers[~alone], np.flatnonzero(~alone))
    stream = np.where(alone, np.arange(len(frames)), leaders[speakers])
    order = np.argsort(stream, kind="stable")
    lengths = _lengths(frames, speakers, alone, stream, seconds)
    row_edges = np.cumsum(np.append(0, frames[order]))
    segment_edges = np.cumsum(np.append(0, lengths))
    edges = np.union1d(row_edges, segment_edges)
    begins = np.empty_like(frames)
    begins[order] = row_edges[:-1]
    rows = order[np.searchsorted(row_edges, edges[:-1], side="right") - 1]
    return Cuts(edges, rows, begins, np.searchsorted(edges, segment_edges))


def _fits(totals: np.ndarray, seconds: float) -> np.ndarray:
    """Which totals some number of equal parts within the bounds makes up.  Shape: any -> the same, bool"""
    fewest, most = _counts(totals, seconds)
    return fewest <= most


def _counts(totals: np.ndarray, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """The fewest and the most parts within the bounds that make up these totals; fewest > most if none do."""
    shortest, longest = bounds(seconds)
    return -(-totals // longest), totals // shortest


def _lengths(frames: np.ndarray, speakers: np.ndarray, alone: np.ndarray, stream: np.ndarray, seconds: float) -> np.ndarray:
    """Lengths of all segments, stream by stream in rising order of their numbers.  Shape: (N,) each -> (M,) int64"""
    average = average_samples(seconds)
    ids, which = np.unique(stream, return_inverse=True)
    totals = np.bincount(which, frames).astype(np.int64)
    fewest, most = (counts.astype(np.int64) for counts in _counts(totals, seconds))
    wanted = np.rint(totals / average)
    # a speaker's joined utterances make up for what the rounding of the others did to the average
    is_alone, speaker = alone[ids], speakers[ids]
    parts = np.clip(wanted, fewest, most)
    missing = np.rint(np.bincount(speakers, frames) / average) - np.bincount(speaker, np.where(is_alone, parts, 0))
    wanted = np.where(is_alone, wanted, missing[speaker])
    nearest = np.maximum(np.rint(totals / average), 1)
    parts = np.where(fewest <= most, np.clip(wanted, fewest, most), nearest).astype(np.int64)
    base, longer = np.divmod(totals, parts)
    number = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    return np.repeat(base, parts) + (number < np.repeat(longer, parts))


class Segments(Utterances):
    """A manifest, re-cut: utterance m is segment m of the cuts.  Nothing is copied; `source` says where the audio is."""

    def __init__(self, source: Manifest, speakers: np.ndarray, seconds: float) -> None:
        """Shape: speakers (N,), see ``cut``"""
        self.source, self.seconds = source, seconds
        self.root, self.archives, self.cuts = source.root, source.archives, cut(source.frames, speakers, seconds)
        self.frames = self.cuts.frames

    @property
    def outside(self) -> int:
        """How many segments are out of bounds, because their speakers have too little audio."""
        shortest, longest = bounds(self.seconds)
        return int(((self.frames < shortest) | (self.frames > longest)).sum())

    @property
    def description(self) -> str:
        """Lengths as they came out, in words."""
        shortest, average, longest = (x / SAMPLE_RATE for x in (self.frames.min(), self.frames.mean(), self.frames.max()))
        text = f"{len(self)} segments of {shortest:.2f} to {longest:.2f} s, {average:.2f} s on average"
        if not self.outside:
            return text
        return (
            f"{text}; {self.outside} are not within {SPREAD / SAMPLE_RATE:g} s of the others, because their speakers have "
            "too little audio: let segments cross speakers (`cross_speakers`), or name another `speaker_rule`"
        )

    def parts(self, index: int) -> list[Part]:
        """What segment `index` is made of, by names below `root`."""
        return [
            part
            for row, offset, frames in self.cuts.pieces(index)
            for part in stretch(self.source.parts(row), offset, frames)
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest and of how it was cut."""
        return hashlib.sha256(self.source.digest.encode() + np.ascontiguousarray(self.frames).tobytes()).hexdigest()

    def where(self, index: int) -> str:
        """Where segment `index` begins, for messages."""
        return self.source.where(self.cuts.pieces(index)[0][0])
