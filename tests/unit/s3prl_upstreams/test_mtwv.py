"""The term-weighted value: worked examples, an exhaustive search beside it, and the files of QUESST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairseq_budget.errors import BudgetError
from fairseq_budget.synthetic.superb.everything import OF_TASK
from s3prl_upstreams.tasks import mtwv


def test_beta_is_quessts() -> None:
    """Its README gives an effective prior of 0.0741289."""
    assert mtwv.BETA == pytest.approx((1 - 0.0741289) / 0.0741289, rel=1e-5)


def test_perfect_detection() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 1]], dtype=bool)
    assert mtwv.maximum_value(np.where(truth, 2.0, -1.0), truth) == (1.0, 2.0)


def test_finding_nothing_is_better_than_finding_the_wrong_ones() -> None:
    truth = np.array([[1, 0, 0, 0]], dtype=bool)
    assert mtwv.maximum_value(np.array([[0.0, 3.0, 2.0, 1.0]]), truth) == (0.0, float("inf"))


def test_one_false_alarm_among_many_documents() -> None:
    truth = np.zeros((1, 101), dtype=bool)
    truth[0, 0] = True
    scores = np.zeros(truth.shape)
    scores[0, :2] = 1.0
    assert mtwv.maximum_value(scores, truth) == (pytest.approx(1 - mtwv.BETA / 100), 1.0)


@settings(max_examples=50)
@given(st.integers(1, 3), st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_the_maximum_is_that_of_an_exhaustive_search(queries: int, documents: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (queries, documents)).astype(float)
    truth = rng.random((queries, documents)) < 0.3
    truth[:, 0], truth[:, 1] = True, False
    best = 0.0
    for threshold in np.unique(scores):
        found = scores >= threshold
        miss = (truth & ~found).sum(1) / truth.sum(1)
        false_alarm = (~truth & found).sum(1) / (~truth).sum(1)
        best = max(best, float(1 - np.mean(miss + mtwv.BETA * false_alarm)))
    assert mtwv.maximum_value(scores, truth)[0] == pytest.approx(best, abs=1e-9)


@pytest.fixture
def quesst(miniatures: Callable[..., Path]) -> Path:
    return miniatures("qbe") / OF_TASK["qbe"] / "scoring" / "groundtruth_quesst14_dev"


def stdlist(path: Path, scores: dict[str, dict[str, float]]) -> Path:
    """Detections as s3prl's expert writes them."""
    lists = [
        f'<detected_termlist termid="{query}">'
        + "".join(f'<term file="{document}" score="{score:.4f}" decision="NO"/>' for document, score in found.items())
        + "</detected_termlist>"
        for query, found in scores.items()
    ]
    path.write_text(f"<stdlist>{''.join(lists)}</stdlist>")
    return path


def test_detections_against_the_reference(quesst: Path, tmp_path: Path) -> None:
    """Two of three queries are found; the third, of another language, isn't searched for, and counts as missed."""
    truth = [line.split() for line in (quesst / "quesst14_dev.rttm").read_text().splitlines()]
    documents = [f"quesst14_{number:05d}" for number in range(1, 14)]
    relevant = {(fields[5], fields[1]) for fields in truth}
    names = ["quesst14_dev_0001", "quesst14_dev_0002"]
    scores = {query: {document: float((query, document) in relevant) for document in documents[:-1]} for query in names}
    assert mtwv.score(stdlist(tmp_path / "a.xml", scores), quesst) == (pytest.approx(2 / 3), 1.0)
    reversed_scores = {query: {document: -value for document, value in found.items()} for query, found in scores.items()}
    assert mtwv.score(stdlist(tmp_path / "b.xml", reversed_scores), quesst) == (0.0, float("inf"))


def test_a_folder_that_is_no_ground_truth(tmp_path: Path, quesst: Path) -> None:
    detections = stdlist(tmp_path / "a.xml", {})
    with pytest.raises(BudgetError, match=r"must hold one file `\*.rttm`, but holds 0"):
        mtwv.score(detections, tmp_path)
    folder = tmp_path / "truth"
    folder.mkdir()
    (folder / "x.rttm").write_text("")
    (folder / "x.ecf.xml").write_text("<ecf/>")
    (folder / "x.tlist.xml").write_text("<termlist/>")
    with pytest.raises(BudgetError, match="has no query that is in one of its documents"):
        mtwv.score(detections, folder)
    (folder / "x.ecf.xml").write_text("no XML")
    with pytest.raises(BudgetError, match="is not an XML file with <excerpt audio_filename="):
        mtwv.score(detections, folder)
