"""The papers' experiments by name: a file each, with a `STUDY` that declares its cells.

From that declaration come its plan (`forecast`), its runs (`launch`), their state (`status`) and its tables and figures
(:mod:`fairseq_budget.report.studies`).  Which files there are needs the standard library alone.
"""

from __future__ import annotations

from fairseq_budget.errors import unknown_name
from fairseq_budget.studies import (
    asr_labels,
    batch_size,
    data_size,
    downstream_resources,
    gradient_deviation,
    hours_heard,
    improved_small,
    model_size,
    objectives,
    resources,
    sequence_length,
    superb_hours,
)
from fairseq_budget.studies.study import Study

STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY
    for module in (
        *(objectives, data_size, model_size, improved_small),
        *(sequence_length, resources, downstream_resources),
        *(batch_size, asr_labels, hours_heard, superb_hours, gradient_deviation),
    )
}
"""In the order of the papers."""


def get_study(name: str) -> Study:
    """The study called `name`; an unknown name is an error that lists the known ones."""
    if name not in STUDIES:
        raise unknown_name("study", name, STUDIES)
    return STUDIES[name]
