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


def test_the_references_score_0_and_1000_and_hubert_base_what_the_leaderboard_shows() -> None:
    default = read_scale()
    scores = {reference.name: default.score(reference.values) for reference in default.references}
    found = {name: round(score.value, 1) for name, score in scores.items() if score is not None}
    assert found == {"FBANK": 0.0, "HuBERT Base": 941.0, "best of 2021, task by task": 1000.0}
    wav2vec2 = {"PR_PER": 5.74, "ASR_WER": 6.43, "KS_ACC": 96.23, "QbE_MTWV": 0.0233, "SID_ACC": 75.18, "ASV_EER": 6.02}
    wav2vec2 |= {"SD_DER": 6.08, "ER_ACC": 63.43, "IC_ACC": 92.35, "SF_F1": 88.30, "SF_CER": 24.77}
    base = default.score(wav2vec2)
    assert base is not None
    assert (round(base.value, 1), len(base.tasks)) == (818.1, 10)


def test_the_remarks_say_where_the_references_are_from() -> None:
    assert sum(remark.count("(SUPERB's leaderboard, October 2022)") for remark in read_scale().remarks) == 2


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
