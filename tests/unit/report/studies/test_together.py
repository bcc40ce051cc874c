"""Whether a study's axis decides, whatever the series."""

from __future__ import annotations

from dataclasses import replace

from fairseq_budget.report.studies.findings import sentences
from fairseq_budget.report.studies.points import Found, StudyPoint
from fairseq_budget.report.studies.together import over_all
from fairseq_budget.studies import STUDIES
from fairseq_budget.studies.study import Published

HOURS, KEY = STUDIES["hours_heard"], "valid_letters"


def found(*errors: float) -> Found:
    """A series for each point, an hour apart."""
    return Found(
        tuple(
            StudyPoint("wav2vec2", f"batches of {hours} s, 1h of labels", float(hours), ("c",), {KEY: (error,)}, (), (), {})
            for hours, error in enumerate(errors, start=1)
        ),
        (),
    )


def test_one_order_over_all_series() -> None:
    """Of the 120 orders of five points two are as good as this one: p = 0.017."""
    own = next(over_all(HOURS, found(90.0, 80.0, 70.0, 60.0, 50.0), KEY))
    assert own == (
        "1h of labels, whatever the series: valid, letters WER and hours of speech heard in pre-training: "
        "Spearman's rho -1.00 over 5 points (p 0.017)."
    )
    assert own in sentences(HOURS, found(90.0, 80.0, 70.0, 60.0, 50.0))


def test_the_papers_own_points_stand_beside() -> None:
    """Its figure 4: hours heard decide, whatever the batch."""
    _, *theirs = over_all(HOURS, found(90.0, 80.0, 70.0, 60.0, 50.0), KEY)
    assert [text.partition(":")[0] for text in theirs] == [
        f"Published, {hours} of labels, whatever the series" for hours in ("100h", "10min")
    ]
    assert "rho -1.00 over 32" in theirs[0] and "rho -0.99 over 32" in theirs[1]


def test_too_few_points_tell_nothing() -> None:
    unpublished = replace(HOURS, published=lambda: [Published("wav2vec2", "a, b", 1.0, {"clean_letters": 9.0})])
    assert list(over_all(unpublished, found(90.0, 80.0, 70.0, 60.0), KEY)) == []
    assert list(over_all(unpublished, found(), KEY)) == []
    assert list(over_all(STUDIES["batch_size"], found(90.0, 80.0, 70.0, 60.0, 50.0), KEY)) == []
