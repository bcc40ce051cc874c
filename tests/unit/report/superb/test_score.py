"""The aggregate score: its formula on published rows, its references, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairseq_budget.errors import BudgetError
from fairseq_budget.report.superb.score import Scale, read_scale

HEAD = "name,role,SF_F1,SF_CER,KS_ACC,source\n"


def scale(folder: Path, *rows: str, head: str = HEAD) -> Scale:
    path = folder / "references.csv"
    path.write_text(head + "".join(f"{row}\n" for row in rows))
    return read_scale(path)


def test_the_references_score_0_and_1000_and_hubert_base_what_was_worked_out_by_hand() -> None:
    default = read_scale()
    scores = {reference.name: default.score(reference.values) for reference in default.references}
    found = {name: round(score.value, 1) for name, score in scores.items() if score is not None}
    assert found == {"FBANK": 0.0, "HuBERT Base": 850.1, "WavLM Large": 1000.0}
    hubert = next(reference for reference in default.references if reference.name == "HuBERT Base")
    without = default.score({key: value for key, value in hubert.values.items() if key != "QbE_MTWV"})
    assert without is not None
    assert (round(without.value, 1), len(without.tasks)) == (853.6, 9)


def test_every_sentence_about_the_default_references_says_that_nobody_checked_them() -> None:
    default = read_scale()
    assert all("from memory, not checked" in reference.source for reference in default.references)
    assert sum(remark.count("from memory, not checked") for remark in default.remarks) == 2


def test_tasks_weigh_the_same_and_count_whole(tmp_path: Path) -> None:
    own = scale(tmp_path, "A,zero,0,100,0,mine", "B,full,100,0,50,mine")
    both = own.score({"SF_F1": 50, "SF_CER": 0, "KS_ACC": 100})  # (0.5 + 1) / 2 and 2
    assert both is not None
    assert (both.value, both.tasks) == (pytest.approx(1375), ("SF", "KS"))
    half = own.score({"SF_F1": 50, "KS_ACC": 100, "SID_ACC": 90})
    assert half is not None
    assert (half.value, half.tasks) == (2000, ("KS",))
    assert own.score({"SF_F1": 50}) is None


@pytest.mark.parametrize(
    ("head", "rows", "message"),
    [
        (HEAD, ["A,zero,0,1,0,mine"], "must have one row whose `role` is `full`"),
        (HEAD, ["A,zero,0,1,0,", "B,full,1,1,1,", "C,zero,2,2,2,"], "must have one row whose `role` is `zero`"),
        (HEAD, ["A,zero,0,1,0,mine", "B,full,1,1,1,mine"], "`SF_CER` is the same for the zero and the full reference"),
        (
            HEAD,
            ["A,zero,0,x,0,mine", "B,full,1,1,1,mine"],
            r"\.csv`, line 2: `SF_CER` must be a number, but is `x`",
        ),
        (HEAD, ["A,zero,0,nan,0,mine", "B,full,1,1,1,mine"], "`SF_CER` must be a number, but is `nan`"),
        ("name,role,KS,source\n", ["A,zero,0,mine"], r"unknown column `KS`; there are name, role, source, ASR_WER"),
        ("name,KS_ACC\n", ["A,0"], "no column `role`"),
    ],
)
def test_references_that_give_no_scale(tmp_path: Path, head: str, rows: list[str], message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        scale(tmp_path, *rows, head=head)


def test_a_file_that_isnt_there(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="can't be read .*name a CSV file"):
        read_scale(tmp_path / "nothing.csv")
