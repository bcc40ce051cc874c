"""What each test item adds to a score, from the files that s3prl writes beside its record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fairseq_budget.errors import BudgetError
from fairseq_budget.records.base import FILE
from fairseq_budget.records.downstream import DownstreamRecord

_ERROR_RATES = ("per", "wer")


def item_scores(folder: Path, metric: str | None) -> dict[str, float]:
    """By name, numbers whose mean is the score as a fraction; empty where the task leaves no files to tell them from.

    Of an accuracy, 1 for an item whose label was predicted and 0 for others; with several folds, so weighted that each fold
    counts alike.  Of an error rate, the item's part in it (see :func:`_parts_of_a_rate`).  A sweep's are those of the
    trials that were chosen.
    """
    if metric == "acc":
        found = [_right(place) for place in _chosen(folder)]
    elif metric in _ERROR_RATES:
        found = [_parts_of_a_rate(place) for place in _chosen(folder)]
    else:
        return {}
    folds = [fold for fold in found if fold]
    items = sum(map(len, folds))
    return {name: value * items / (len(folds) * len(fold)) for fold in folds for name, value in fold.items()}


def _chosen(folder: Path) -> list[Path]:
    """Of a sweep, the folders of its chosen trials, one for each fold."""
    paths = sorted([*folder.glob(f"*/{FILE}"), *folder.glob(f"*/*/{FILE}")])
    return [path.parent for path in paths if _is_chosen(path)] or [folder]


def _is_chosen(path: Path) -> bool:
    try:
        return bool(DownstreamRecord.read(path).chosen)
    except BudgetError:
        return False  # a damaged trial leaves the score as it is


def _right(folder: Path) -> dict[str, float]:
    """From lines ``NAME LABEL``, or ``NAME,LABEL,LABEL,LABEL``, in two files, such as ``test_predict.txt`` and
    ``test_truth.txt``."""
    predicted, truth = (_read(folder, f"test*_{what}.*") for what in ("predict", "truth"))
    if predicted.keys() != truth.keys():
        return {}
    return {name: float(label == truth[name]) for name, label in predicted.items()}


def _parts_of_a_rate(folder: Path) -> dict[str, float]:
    """Of e errors in n words, ``r + (e - r n) / mean(n)``, where r is the rate, all errors over all words.

    Their mean is r, and the deviation of their mean is that of a ratio, to first order (the delta method).  From lines
    ``NAME WORD WORD`` in two files, such as ``test-hyp.ark`` and ``test-ref.ark``.
    """
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError:  # an installation that only evaluates
        return {}
    heard, truth = (_read(folder, f"test*-{what}.ark") for what in ("hyp", "ref"))
    if not truth or heard.keys() != truth.keys():
        return {}
    words = {name: text.split() for name, text in truth.items()}
    errors = {name: Levenshtein.distance(heard[name].split(), own) for name, own in words.items()}
    total = sum(map(len, words.values()))
    if not total:
        return {}
    rate, mean = sum(errors.values()) / total, total / len(words)
    return {name: rate + (errors[name] - rate * len(own)) / mean for name, own in words.items()}


def _read(folder: Path, pattern: str) -> dict[str, str]:
    """What stands behind each line's name, in the one file of a pattern.

    Names that come twice, or lines without one, make the file no such one, and several files tell nothing.
    """
    paths = list(folder.glob(pattern))
    if len(paths) != 1:
        return {}
    try:
        rows = list(_split(paths[0].read_text(encoding="utf-8").splitlines(), "," if paths[0].suffix == ".csv" else " "))
    except (OSError, UnicodeDecodeError):
        return {}
    found = dict(rows)
    if len(found) < len(rows) or "" in found:
        return {}
    return found


def _split(lines: list[str], between: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, _, label = line.partition(between)
        yield name, label.strip()
