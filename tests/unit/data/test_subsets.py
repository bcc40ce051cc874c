"""Choosing utterances: shares, speakers, hours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_budget.data.manifest import Manifest
from fairseq_budget.data.packing.librispeech import librispeech_like
from fairseq_budget.data.subsets import nested, split, split_speakers
from fairseq_budget.errors import BudgetError

HOUR = 3600 * 16_000


def manifest_of(lengths: list[int] | np.ndarray) -> Manifest:
    return Manifest(Path("/"), [f"{i}.flac" for i in range(len(lengths))], np.asarray(lengths))


corpora = st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 6)), min_size=2, max_size=60)


@given(st.integers(2, 60), st.floats(0.001, 0.999), st.integers(0, 1000))
def test_split_parts_everything_once(count: int, share: float, seed: int) -> None:
    manifest = manifest_of(list(range(1, count + 1)))
    train, valid = split(manifest, share, seed)
    assert len(train) >= 1
    assert len(valid) == min(max(round(share * count), 1), count - 1)
    assert sorted([*train.frames, *valid.frames]) == list(manifest.frames)
    assert split(manifest, share, seed)[1].paths == valid.paths


def test_split_depends_on_the_seed() -> None:
    manifest = manifest_of(list(range(1, 101)))
    assert split(manifest, 0.1, 0)[1].paths != split(manifest, 0.1, 1)[1].paths


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_impossible_shares_are_refused(share: float) -> None:
    with pytest.raises(BudgetError, match="`valid_share` must be above 0 and below 1, but is"):
        split(manifest_of([1, 2]), share, 0)
    with pytest.raises(BudgetError, match="`valid_share` must be above 0 and below 1, but is"):
        split_speakers(manifest_of([1, 2]), share, 0, np.array([0, 1]))


def test_one_utterance_or_speaker_cannot_be_split() -> None:
    with pytest.raises(BudgetError, match="has 1 utterance: a held-out share needs at least 2"):
        split(manifest_of([1]), 0.5, 0)
    with pytest.raises(BudgetError, match="has one speaker: hold out a share of utterances"):
        split_speakers(manifest_of([1, 2]), 0.5, 0, np.array([0, 0]))


@given(corpora, st.floats(0.001, 0.999), st.integers(0, 100))
def test_speakers_are_held_out_whole(corpus: list[tuple[int, int]], share: float, seed: int) -> None:
    frames, who = np.array(corpus).T
    speakers = np.unique(who, return_inverse=True)[1]
    if speakers.max() == 0:
        return
    manifest = manifest_of(frames)
    train, valid = split_speakers(manifest, share, seed, speakers)
    number = {name: index for index, name in enumerate(manifest.paths)}
    sides = [{speakers[number[name]] for name in part.paths} for part in (train, valid)]
    assert not sides[0] & sides[1]
    assert len(train) + len(valid) == len(manifest)
    # one speaker more or less comes no nearer, in the order that was drawn
    miss = abs(valid.frames.sum() - share * frames.sum())
    assert miss <= frames.sum()
    if len(sides[1]) > 1 and len(sides[0]) > 1:
        assert miss <= np.bincount(speakers, frames).max()


@given(corpora, st.lists(st.floats(0.01, 1), min_size=1, max_size=4), st.integers(0, 100))
def test_subsets_are_nested_and_exact_to_the_nearest_utterance(
    corpus: list[tuple[int, int]], shares: list[float], seed: int
) -> None:
    frames, who = np.array(corpus).T
    speakers = np.unique(who, return_inverse=True)[1]
    manifest = manifest_of(frames)
    wanted = [share * manifest.hours for share in shares]
    parts = nested(manifest, wanted, seed, speakers)
    for hours, part in zip(wanted, parts, strict=True):
        assert abs(part.hours - hours) * HOUR <= max(frames) / 2 + 1 or len(part) == 1
        assert part.paths == sorted(part.paths, key=lambda name: int(name.removesuffix(".flac"))), "the manifest's order"
    by_hours = [set(parts[place].paths) for place in np.argsort(wanted)]
    for smaller, larger in zip(by_hours, by_hours[1:], strict=False):
        assert smaller <= larger


def test_librispeech_like_subsets() -> None:
    """1 within 10 within 100 h of 200 speakers: to within half an utterance, every speaker with the same share."""
    frames = librispeech_like(60_000)
    speakers = np.random.default_rng(1).integers(0, 200, len(frames))
    manifest = manifest_of(frames)
    one, ten, hundred = nested(manifest, (1, 10, 100), 0, speakers)
    assert set(one.paths) < set(ten.paths) < set(hundred.paths)
    for wanted, part in ((1, one), (10, ten), (100, hundred)):
        assert part.hours == pytest.approx(wanted, abs=9 / 3600)
        chosen = np.array([int(name.removesuffix(".flac")) for name in part.paths])
        minutes = np.bincount(speakers[chosen], frames[chosen], minlength=200) / HOUR * 60
        assert minutes.max() - minutes.min() < 35 / 60, "an utterance apart"
    assert nested(manifest, (1,), 1, speakers)[0].paths != one.paths
    assert nested(manifest, (1,), 0, speakers)[0].paths == one.paths


def test_speakers_who_run_out_leave_their_share_to_others() -> None:
    frames = np.full(40, HOUR // 10)
    speakers = np.array([0] * 5 + [1] * 35)
    part = nested(manifest_of(frames), (2,), 0, speakers)[0]
    assert sum(int(name.removesuffix(".flac")) < 5 for name in part.paths) == 5
    assert len(part) == 20


@pytest.mark.parametrize("hours", [0.0, -1.0, 2.1, float("nan")])
def test_hours_that_are_not_there(hours: float) -> None:
    with pytest.raises(BudgetError, match=r"a subset of .* h: `/` has 2\.00 h; ask for less"):
        nested(manifest_of([HOUR, HOUR]), (1, hours), 0, np.array([0, 1]))
