"""ABX: how often two utterances of a phone are nearer to each other than to one of another phone, by the package fastabx.

A and X are tokens of one phone, B is one of another; an error is an X that is nearer to B.  Within speakers, one says all
three; across speakers, A and B are one speaker's and X another's, so that a layer that hears who speaks fails.  Distances
are angles between frames along the best path of dynamic time warping.  Errors are averaged over cells (pairs of phones, and
their contexts where those have to agree), then over speakers, as in the ZeroSpeech challenges.  Nothing is trained.
Source: Schatz et al. 2013 (Interspeech); the cells of Poli et al., https://docs.cognitive-ml.fr/fastabx.

Letters in shapes: K frames of an utterance, D model width.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from fairseq_budget.data.alignments import SILENCE
from fairseq_budget.errors import BudgetError, MissingPackage
from fairseq_budget.extras import install

WITHIN, ACROSS = "abx_within", "abx_across"
NO_PHONES = frozenset({SILENCE, "SIL", "sp", "spn", "SPN", "<eps>"})
"""What aligners write where nobody speaks, or nobody knows what."""
_OLDEST_PYTHON = (3, 12)
_TOKENS_OF_A_CELL = 10
_SPEAKERS_OF_X = 5
"""At most so many tokens of A, B and X, and so many other speakers for each A and B: ZeroSpeech's own limits."""


@dataclass(frozen=True)
class Token:
    """A phone that was said: frames `first` to `last` (excluded) of an utterance, and the phones before and after it."""

    utterance: int
    first: int
    last: int
    phone: str
    before: str
    after: str


@dataclass(frozen=True)
class AbxSettings:
    """Whether A, B and X stand between the same phones (`in_context`), the draw's seed, and where distances are computed."""

    in_context: bool = False
    seed: int = 0
    device: torch.device = torch.device("cpu")


def require() -> None:
    """MissingPackage, in one line, where fastabx isn't installed or can't be."""
    if importlib.util.find_spec("fastabx") is not None:
        return
    remedy = install("fastabx")
    if sys.version_info < _OLDEST_PYTHON:
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        remedy = f"it wants Python 3.12 and torch 2.10 or newer, and this is Python {here}; there: {remedy}"
    raise MissingPackage(f"ABX needs the package fastabx: {remedy}")


def tokens(codes: Sequence[np.ndarray], phones: Sequence[str]) -> list[Token]:
    """The phones that utterances hold from their first frame to their last, by the codes of their frames.

    Those at an utterance's ends may be cut off, and are left out; so are pauses, and phones that no frame falls into.
    Shape: codes N x (K,), -1 where no phone is known, else a place in `phones`
    """
    return [token for utterance, of_frames in enumerate(codes) for token in _of_utterance(utterance, of_frames, phones)]


def _of_utterance(utterance: int, codes: np.ndarray, phones: Sequence[str]) -> Iterator[Token]:
    borders = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    runs = [(first, last, phones[codes[first]] if codes[first] >= 0 else SILENCE) for first, last in pairwise(borders)]
    for (_, _, before), (first, last, phone), (_, _, after) in zip(runs, runs[1:], runs[2:], strict=False):
        if phone not in NO_PHONES:
            yield Token(utterance, first, last, phone, before, after)


def errors(
    found: Sequence[Token], frames: Sequence[np.ndarray], speakers: Sequence[str], settings: AbxSettings
) -> dict[str, float | None]:
    """ABX error rates of one layer, from 0 to 1 with 0.5 by chance, within and across speakers.

    None where there is no cell: one speaker only, or no phone that was said twice.
    Shape: frames N x (K, D); `speakers` has N names.
    """
    if not found:
        return {WITHIN: None, ACROSS: None}
    context = ["before", "after"] if settings.in_context else []
    return {
        WITHIN: _error(found, frames, speakers, settings, by=[*context, "speaker"], across=[]),
        ACROSS: _error(found, frames, speakers, settings, by=context, across=["speaker"]),
    }


def _error(
    found: Sequence[Token],
    frames: Sequence[np.ndarray],
    speakers: Sequence[str],
    settings: AbxSettings,
    by: list[str],
    across: list[str],
) -> float | None:
    fastabx, polars = importlib.import_module("fastabx"), importlib.import_module("polars")
    columns = {name: [getattr(token, name) for token in found] for name in ("phone", "before", "after")}
    labels = polars.DataFrame({**columns, "speaker": [speakers[token.utterance] for token in found]})
    pieces = [torch.from_numpy(frames[token.utterance][token.first : token.last]) for token in found]
    ends = np.cumsum([0, *map(len, pieces)]).tolist()
    # fastabx normalises what it is given in place
    data = fastabx.InMemoryAccessor(dict(enumerate(pairwise(ends))), torch.cat(pieces).float(), settings.device)
    drawn = fastabx.Subsampler(_TOKENS_OF_A_CELL, _SPEAKERS_OF_X if across else None, settings.seed)
    try:
        task = fastabx.Task(fastabx.Dataset(labels, data), on="phone", by=by, across=across, subsampler=drawn)
    except fastabx.EmptyTaskError:
        return None
    levels = ([("before", "after")] if settings.in_context else []) + ["speaker"]
    return float(fastabx.Score(task, "angular", progress=False).collapse(levels=levels))


def best_layer(layers: Sequence[Mapping[str, float | None]]) -> tuple[int, str] | None:
    """The layer with the lowest error across speakers, or else within them, and by which; None where there is none."""
    for measure in (ACROSS, WITHIN):
        known = {number: value for number, layer in enumerate(layers) if (value := layer.get(measure)) is not None}
        if known:
            return min(known, key=lambda number: known[number]), measure
    return None


def check(found: Sequence[Token]) -> None:
    """BudgetError if no phone is known, so that a user who asked for ABX learns why there is none."""
    if not found:
        raise BudgetError(
            "ABX compares phones, and none is known of these utterances: name a CTM file with `--phones`, or take longer "
            "pieces with `--seconds`"
        )
