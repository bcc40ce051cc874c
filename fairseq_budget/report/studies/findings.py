"""What a study found, in words, and how much of it may be chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairseq_budget.arithmetic import numbers
from fairseq_budget.report.noise import pooled_deviation, two_errors
from fairseq_budget.report.studies.points import MEASURED_STEPS, Found, StudyPoint, column, is_loss
from fairseq_budget.report.studies.together import over_all
from fairseq_budget.studies.study import Study


def sentences(study: Study, found: Found) -> list[str]:
    """One for each metric and curve with two points or more; what a step takes is no matter of better and worse."""
    keys = [key for key in found.columns(study) if key not in MEASURED_STEPS]
    return [text for key in keys for text in (*_of_metric(study, found, key), *over_all(study, found, key))]


def _of_metric(study: Study, found: Found, key: str) -> Iterator[str]:
    points = found.having(key)
    for series in dict.fromkeys(point.series for point in points):
        own = [point for point in points if point.series == series]
        if len(own) > 1:
            yield _best(study, own, key, _deviation(points, own, key))


def _deviation(points: Sequence[StudyPoint], own: Sequence[StudyPoint], key: str) -> float | None:
    """Over seeds: of losses those of the same objective alone."""
    alike = [point for point in points if not is_loss(key) or point.objective == own[0].objective]
    return pooled_deviation(point.values[key] for point in alike)


def _best(study: Study, own: Sequence[StudyPoint], key: str, deviation: float | None) -> str:
    known = column(key)
    ordered = sorted(own, key=lambda point: (point.mean(key) or 0.0) * (-1 if known.higher_is_better else 1))
    best, second = ordered[0], ordered[1]
    distance = abs((best.mean(key) or 0.0) - (second.mean(key) or 0.0))
    place = study.axis.names.get(best.x, f"{best.x:.3g}")
    other = study.axis.names.get(second.x, f"{second.x:.3g}")
    what = "highest" if known.higher_is_better else "lowest"
    value = numbers.significant(best.mean(key) or 0.0, 4)
    text = (
        f"{own[0].series}: {known.task} {known.metric} is {what}, {value}, at {place} "
        f"({study.axis.title}), {numbers.significant(distance, 2)} from {other}"
    )
    return text + _chance(best, second, key, distance, deviation) + _at_an_end(study, own, best)


def _chance(best: StudyPoint, second: StudyPoint, key: str, distance: float, deviation: float | None) -> str:
    if deviation is None:
        return ", one seed each, so how much of that is chance isn't known"
    chance = two_errors(best.values[key], second.values[key], deviation)
    if distance > chance:
        return f", more than the {numbers.significant(chance, 2)} that seeds make"
    return f", which is within the {numbers.significant(chance, 2)} that seeds make: call it a tie"


def _at_an_end(study: Study, own: Sequence[StudyPoint], best: StudyPoint) -> str:
    """Whether the best place is the first or the last that was tried."""
    places = [point.x for point in own]
    if study.axis.names or len(places) < 3 or min(places) < best.x < max(places):
        return "."
    return "; it is at the end of what was tried, the true one may lie beyond."
