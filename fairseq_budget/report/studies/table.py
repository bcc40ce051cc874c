"""The tables of a study: a row for each of its points, the published number beside, and the paper's own points."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import pandas as pd

from fairseq_budget.arithmetic import numbers
from fairseq_budget.arithmetic.units import human_flops
from fairseq_budget.report.studies.points import Found, StudyPoint, column, is_loss
from fairseq_budget.studies.study import Published, Study

PAPER = "(paper)"


def own_table(study: Study, found: Found) -> pd.DataFrame:
    """For people: means over seeds with their standard deviation, and the published number of the same run."""
    keys, published = [key for key in found.columns(study) if found.having(key)], study.published()
    rows = [_own(study, point, keys, _beside(point, published)) for point in found.points]
    return pd.DataFrame(rows).fillna("")


def published_table(study: Study) -> pd.DataFrame:
    """The paper's points."""
    published = study.published()
    keys = [key for key in study.columns if any(key in point.values for point in published)]
    return pd.DataFrame([_theirs(study, point, keys) for point in published])


def plain(study: Study, found: Found) -> pd.DataFrame:
    """For programs: numbers as they are, one row for each seed of a point, then the published points."""
    published, rows = study.published(), []
    keys = [key for key in found.columns(study) if found.having(key) or any(key in point.values for point in published)]
    for point in found.points:
        if not point.records:
            row = {"who": "study", "cell": point.cells[0], "series": point.series, "x": point.x}
            rows.append(row | {key: point.mean(key) for key in keys})
            continue
        for place, (cell, record) in enumerate(zip(point.cells, point.records, strict=True)):
            spent = point.spent[place]
            row = {"who": "study", "cell": cell, "objective": point.objective, "series": point.series, "x": point.x}
            row |= {"seed": record.seed, "params": record.params, "updates": spent["updates"], "flops": spent["flops"]}
            row |= {"hours_heard": spent.get("hours_heard"), "device_hours": spent.get("device_hours")}
            rows.append(row | {key: _at(point.values.get(key, ()), place, len(point.cells)) for key in keys})
    for theirs in published:
        row = {"who": "paper", "objective": theirs.objective, "series": theirs.series, "x": theirs.x}
        rows.append(row | {key: theirs.values.get(key) for key in keys})
    return pd.DataFrame(rows)


def _at(values: Sequence[float], place: int, count: int) -> float | None:
    """A seed's number; None where not every seed has one, as then it isn't known whose it is."""
    return values[place] if len(values) == count else None


def _own(study: Study, point: StudyPoint, keys: Sequence[str], beside: Published | None) -> dict[str, str]:
    row = {"series": point.series, study.axis.title: _place(study, point.x)} | _trained(point)
    for key in keys:
        row[column(key).title] = _with_deviation(key, point.values.get(key, ()))
        if beside is not None and key in beside.values:
            row[f"{column(key).title} {PAPER}"] = column(key).text(beside.values[key])
    return row


def _trained(point: StudyPoint) -> dict[str, str]:
    """What was trained, means over seeds; nothing of a step that was measured."""
    if not point.records:
        return {}
    return {
        "params": numbers.params(point.records[0].params),
        "seeds": str(len(point.cells)),
        "updates": numbers.count(statistics.fmean(spent["updates"] for spent in point.spent)),
        "FLOPs": human_flops(statistics.fmean(spent["flops"] for spent in point.spent)),
        "heard": numbers.hours(statistics.fmean(spent.get("hours_heard", math.nan) for spent in point.spent)),
    }


def _theirs(study: Study, point: Published, keys: Sequence[str]) -> dict[str, str]:
    row = {"series": point.series, study.axis.title: _place(study, point.x)}
    return row | {column(key).title: column(key).text(point.values.get(key)) for key in keys}


def _place(study: Study, x: float) -> str:
    return study.axis.names.get(x, f"{x:.3g}" if x < 1000 else f"{x:.0f}")


def _with_deviation(key: str, values: Sequence[float]) -> str:
    known = column(key)
    if not values:
        return ""
    text = known.text(statistics.fmean(values)) if not is_loss(key) else numbers.loss(statistics.fmean(values))
    return text if len(values) == 1 else f"{text} ± {known.text(statistics.stdev(values))}"


def _beside(point: StudyPoint, published: Sequence[Published]) -> Published | None:
    return next((other for other in published if (other.series, other.x) == (point.series, point.x)), None)
