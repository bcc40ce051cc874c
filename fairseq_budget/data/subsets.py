"""Choosing utterances: a held-out share for validation, and nested subsets by hours.

N is a number of utterances.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairseq_budget.data.audio import SAMPLE_RATE
from fairseq_budget.data.manifest import Manifest
from fairseq_budget.errors import BudgetError


def split(manifest: Manifest, valid_share: float, seed: int) -> tuple[Manifest, Manifest]:
    """Hold out a random share of the utterances: (train, valid), each in the manifest's order and of at least one.

    Speakers may occur in both; ``split_speakers`` keeps them apart.

    Raises:
        BudgetError: unless 0 < valid_share < 1 and there are two utterances to part.
    """
    _check_share(valid_share)
    if len(manifest) < 2:
        raise BudgetError(f"`{manifest.root}` has {len(manifest)} utterance: a held-out share needs at least 2")
    held_out = min(max(round(valid_share * len(manifest)), 1), len(manifest) - 1)
    order = np.random.default_rng(seed).permutation(len(manifest))
    return manifest.subset(np.sort(order[held_out:])), manifest.subset(np.sort(order[:held_out]))


def split_speakers(manifest: Manifest, valid_share: float, seed: int, speakers: np.ndarray) -> tuple[Manifest, Manifest]:
    """Hold out random speakers, as many as come nearest to a share of the hours: (train, valid), each of at least one.

    Shape: speakers (N,) int, from 0

    Raises:
        BudgetError: unless 0 < valid_share < 1 and there are two speakers to part.
    """
    _check_share(valid_share)
    hours = np.bincount(speakers, manifest.frames)
    if len(hours) < 2:
        raise BudgetError(f"`{manifest.root}` has one speaker: hold out a share of utterances instead")
    order = np.random.default_rng(seed).permutation(len(hours))
    count = 1 + int(np.abs(np.cumsum(hours[order])[:-1] - valid_share * hours.sum()).argmin())
    held_out = np.isin(speakers, order[:count])
    return manifest.subset(np.flatnonzero(~held_out)), manifest.subset(np.flatnonzero(held_out))


def nested(manifest: Manifest, hours: Sequence[float], seed: int, speakers: np.ndarray) -> list[Manifest]:
    """Subsets of so many hours each, every smaller one within every larger one, each in the manifest's order.

    One random order of the utterances is cut where it comes nearest to the hours.  It always goes on with the speaker who
    has had the least audio so far, so that all speakers have nearly the same share of a subset until they run out.

    Shape: speakers (N,) int, from 0

    Raises:
        BudgetError: hours that the manifest doesn't have, and none.
    """
    for wanted in hours:
        if not 0 < wanted <= manifest.hours:
            raise BudgetError(f"a subset of {wanted:g} h: `{manifest.root}` has {manifest.hours:.2f} h; ask for less")
    order = _balanced_order(manifest.frames, speakers, np.random.default_rng(seed))
    heard = np.cumsum(manifest.frames[order]) / SAMPLE_RATE / 3600
    counts = [1 + int(np.abs(heard - wanted).argmin()) for wanted in hours]
    return [manifest.subset(np.sort(order[:count])) for count in counts]


def _balanced_order(frames: np.ndarray, speakers: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The order in which the speaker with the least audio so far comes next.  Shape: (N,), (N,) -> (N,)"""
    places = random.permutation(len(frames))
    turns = random.permutation(int(speakers.max()) + 1)
    by_speaker = np.lexsort((places, speakers))
    ends = np.cumsum(frames[by_speaker])
    starts = ends - frames[by_speaker]
    first = np.searchsorted(speakers[by_speaker], speakers[by_speaker])
    # what the same speaker has had before each utterance
    had = np.empty_like(starts)
    had[by_speaker] = starts - starts[first]
    return np.lexsort((turns[speakers], had))


def _check_share(valid_share: float) -> None:
    if not 0 < valid_share < 1:
        raise BudgetError(f"`valid_share` must be above 0 and below 1, but is {valid_share:g}: try 0.05")
