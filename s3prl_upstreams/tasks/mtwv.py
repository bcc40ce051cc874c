"""The maximum term-weighted value of QbE, from the detections that s3prl's expert writes and QUESST's reference.

    TWV(θ) = 1 - mean over queries of  Pmiss(θ) + β Pfa(θ),     β = (1 - P) / P,  P = Cm Pt / (Cm Pt + Cf (1 - Pt))

A query's Pmiss is the share of the documents with it that score below θ, its Pfa the share of those without it that don't;
MTWV is the largest value over θ.  Pt = 0.0008, Cm = 100 and Cf = 1, so β = 12.49.  Sources: NIST's 2006 STD evaluation plan
for the value; QUESST's own score-TWV-Cnxe.sh and its README for the costs, for leaving out queries that are in no document,
and for `DEFAULT`, the score of a pair that the detections don't have (SUPERB searches the English part of QUESST and is
scored on the whole).  QUESST's scorer is a Java program; this is our own, by its definition.
Letters: Q queries, D documents.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from fairseq_budget.errors import BudgetError

_TARGET, _MISS_COST, _FALSE_ALARM_COST = 0.0008, 100.0, 1.0
BETA = _FALSE_ALARM_COST * (1 - _TARGET) / (_MISS_COST * _TARGET)
DEFAULT = -10.0
"""s3prl/downstream/docs/superb.md gives this to the scorer."""


def score(detections: Path, reference: Path) -> tuple[float, float]:
    """(MTWV, the threshold that gives it) of a ``*.stdlist.xml`` against a folder with one rttm, ecf.xml and tlist.xml."""
    pairs = _relevant(_only(reference, "*.rttm"))
    documents = {name: i for i, name in enumerate(_names(_only(reference, "*.ecf.xml"), "excerpt", "audio_filename"))}
    wanted = _names(_only(reference, "*.tlist.xml"), "term", "termid")
    queries = {name: i for i, name in enumerate(name for name in wanted if pairs.get(name))}
    if not queries or not documents:
        raise BudgetError(f"`{reference}` has no query that is in one of its documents: is it QUESST's ground truth?")
    truth = np.zeros((len(queries), len(documents)), dtype=bool)
    for query, row in queries.items():
        truth[row, [documents[name] for name in pairs[query] if name in documents]] = True
    scores = np.full(truth.shape, DEFAULT)
    for query, document, value in _detections(detections):
        if query in queries and document in documents:
            scores[queries[query], documents[document]] = value
    return maximum_value(scores, truth)


def maximum_value(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(MTWV, θ), where a pair counts as found when its score is at least θ; never below 0, which finding nothing gives.

    Shape: `scores` (Q, D) float, `truth` (Q, D) bool; every query needs a document with it.
    """
    with_query = truth.sum(axis=1, keepdims=True)
    without = truth.shape[1] - with_query
    # what finding a pair adds to the value
    gain = np.where(truth, 1 / with_query, -BETA / np.maximum(without, 1)).ravel() / len(truth)
    order = np.argsort(-scores, axis=None, kind="stable")
    descending = scores.ravel()[order]
    value = np.cumsum(gain[order])
    last_of_its_score = np.append(np.flatnonzero(np.diff(descending)), len(descending) - 1)
    top = last_of_its_score[np.argmax(value[last_of_its_score])]
    return (float(value[top]), float(descending[top])) if value[top] > 0 else (0.0, float("inf"))


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise BudgetError(f"`{folder}` must hold one file `{pattern}`, but holds {len(found)}: is it QUESST's ground truth?")
    return found[0]


def _relevant(rttm: Path) -> dict[str, set[str]]:
    """The documents that each query is in: lines `LEXEME DOCUMENT CHANNEL BEGIN DURATION QUERY ...`."""
    pairs: dict[str, set[str]] = {}
    for line in rttm.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[0] == "LEXEME":
            pairs.setdefault(fields[5], set()).add(_stem(fields[1]))
    return pairs


def _names(path: Path, element: str, attribute: str) -> list[str]:
    try:
        return [_stem(found.attrib[attribute]) for found in ElementTree.parse(path).iter(element)]
    except (ElementTree.ParseError, KeyError) as error:
        raise BudgetError(f"`{path}` is not an XML file with <{element} {attribute}=...>: {error}") from error


def _detections(path: Path) -> list[tuple[str, str, float]]:
    """(query, document, score) of a stdlist file."""
    lists = ElementTree.parse(path).iter("detected_termlist")
    return [(found.attrib["termid"], _stem(t.attrib["file"]), float(t.attrib["score"])) for found in lists for t in found]


def _stem(name: str) -> str:
    """A recording's name without folder and extension."""
    return name.rpartition("/")[2].removesuffix(".wav")
