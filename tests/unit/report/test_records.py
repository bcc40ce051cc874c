"""Reading records, and what is wrong with them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fairseq_budget.errors import BudgetError
from fairseq_budget.records.names import OWN_SHAPE
from fairseq_budget.report.study import read_study
from tests.unit.report.conftest import StudyFolder, train_line, valid_line


def test_a_study_is_sorted_by_objective_and_parameters(study_folder: StudyFolder) -> None:
    for objective in ("tera", "hubert"):
        for size in ("base", "small", "30", "slim"):
            study_folder.pretrain(objective, size)
            study_folder.downstream(objective, size, 0.3, 0.3)
    study_folder.downstream("fbank", None, 0.2, 0.2)
    names = [f"{objective}-{size}" for objective in ("hubert", "tera") for size in ("30", "slim", "small", "base")]
    study = read_study(study_folder.out)
    assert [run.name for run in study.pretrain] == names
    assert [run.name for run in study.downstream] == [*names, "fbank"]
    assert study.objectives == ["hubert", "tera"]


def test_a_run_has_the_numbers_of_its_record_and_log(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "slim", [train_line(6, 7.0, 1.5e12), valid_line(12, 6.0)], unheard_of={"a": [1]})
    run = read_study(study_folder.out).pretrain[0]
    assert (run.params, run.valid_loss, run.data_hours, run.share) == (20_012_345, 6.0, 0.5, pytest.approx(1.02))
    assert run.finished
    assert run.flops_per_second == pytest.approx(3.06e12 / 72)
    assert run.history is not None
    assert run.history.valid[0].flops == 3.06e12


def test_of_several_currencies_the_one_nearest_its_end_is_the_share(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "slim", budget={"flops": 3.06e13, "updates": 24, "hours_heard": None})
    assert read_study(study_folder.out).pretrain[0].share == 0.5


def test_runs_are_found_at_any_depth(study_folder: StudyFolder, tmp_path: Path) -> None:
    """A multirun's folders; two that have one name are told apart by those above them."""
    for seed in ("seed1", "seed2"):
        study_folder.pretrain("hubert", "slim").rename(tmp_path / "elsewhere")
        (study_folder.out / seed).mkdir(exist_ok=True)
        (tmp_path / "elsewhere").rename(study_folder.out / seed / "hubert-slim-0")
    study_folder.pretrain("tera", "30").rename(study_folder.out / "tera-30-1")
    study = read_study(study_folder.out)
    assert sorted(run.name for run in study.pretrain) == ["seed1/hubert-slim-0", "seed2/hubert-slim-0", "tera-30-1"]


def test_a_log_that_holds_two_runs_is_refused(study_folder: StudyFolder) -> None:
    """As multiruns of 0.3.1 left it: the second run's lines, too, from its first update."""
    log = [
        *(start("/study/a/hydra_train.log"), train_line(1, 9.0), train_line(2, 8.0)),
        *(start("/study/b/hydra_train.log"), train_line(1, 7.0), train_line(2, 6.0)),
    ]
    study_folder.pretrain("hubert", "slim", log)
    study = read_study(study_folder.out)
    assert study.pretrain[0].history is not None
    assert study.pretrain[0].history.train == []
    assert "hubert-slim: its train.log also holds the run whose log is `/study/b/hydra_train.log`" in "\n".join(
        study.missing
    )


def test_a_run_that_was_moved_and_resumed_is_one(study_folder: StudyFolder) -> None:
    log = [start("/old/hydra_train.log"), train_line(1, 9.0), train_line(2, 8.0), start("/new/hydra_train.log")]
    study_folder.pretrain("hubert", "slim", [*log, train_line(2, 8.0), train_line(3, 7.0)])
    history = read_study(study_folder.out).pretrain[0].history
    assert history is not None
    assert [point.updates for point in history.train] == [1, 2, 3]


def start(log_file: str) -> str:
    """What fairseq logs first: its configuration."""
    return str({"_name": None, "job_logging_cfg": {"handlers": {"file": {"filename": log_file}}}})


def test_a_shape_of_ones_own_is_placed_by_its_parameters(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "slim", size=None, percent=None, params=40_000_000)
    study_folder.downstream("hubert", "slim", 0.3, 0.3, size=None)
    study = read_study(study_folder.out)
    assert study.pretrain[0].percent == pytest.approx(200, rel=0.01)
    assert (study.pretrain[0].size, study.downstream[0].size) == (OWN_SHAPE, OWN_SHAPE)


def test_numbers_that_were_not_recorded_are_nan(study_folder: StudyFolder) -> None:
    study_folder.pretrain("tera", "30", metrics={"train_loss": None}, data={})
    run = read_study(study_folder.out).pretrain[0]
    assert all(math.isnan(value) for value in (run.train_loss, run.valid_loss, run.data_hours))


@pytest.mark.parametrize("text", ["", "{", '{"kind": "pretrain", ', "\0", "[]", '{"kind": "downstream"}', "null"])
def test_a_corrupted_record_is_named(study_folder: StudyFolder, text: str) -> None:
    record = study_folder.pretrain("tera", "30") / "record.json"
    record.write_text(text)
    with pytest.raises(BudgetError, match="record.json") as error:
        read_study(study_folder.out)
    assert str(record) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"objective": 3}, "`objective` must be a name, but is 3"),
        ({"params": "many"}, "`params` must be a number, but is 'many'"),
        ({"params": True}, "`params` must be a number, but is True"),
        ({"spent": {"flops": 1e12}}, "`spent.updates` must be a finite number, but is None"),
        ({"spent": {"flops": math.nan, "updates": 1}}, "`spent.flops` must be a finite number, but is nan"),
        ({"budget": {}}, "`budget` must be an object of numbers"),
        ({"metrics": 6.0}, "`metrics` must be an object, but is 6.0"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(study_folder: StudyFolder, changes: dict, key: str) -> None:
    study_folder.pretrain("tera", "30", **changes)
    with pytest.raises(BudgetError, match="record.json: ") as error:
        read_study(study_folder.out)
    assert key in str(error.value)


def test_no_run_at_all_says_what_to_run(study_folder: StudyFolder) -> None:
    (study_folder.out / "pretrain" / "hubert-slim").mkdir(parents=True)
    with pytest.raises(BudgetError, match=r"no run to report: .*run\.sh"):
        read_study(study_folder.out)


def test_everything_that_is_missing_is_named(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "slim", None)
    study_folder.pretrain("hubert", "30", ["no JSON here"], spent={"flops": 1.2e12, "updates": 4})
    study_folder.pretrain("tera", "30", [train_line(1, 6.0)], metrics={"valid_loss": math.nan})
    study_folder.downstream("tera", "30", 0.3, 0.3)
    for folder in ("pretrain/tera-base", "downstream/ks/tera-base"):
        (study_folder.out / folder).mkdir()
    missing = read_study(study_folder.out).missing
    expected = [
        "pretrain/tera-base: no record.json",
        "downstream/ks/tera-base: no record.json",
        "hubert-30: unfinished, 40.0% of its budget",
        "hubert-30: its train.log holds no JSON line",
        "hubert-slim: its train.log is missing",
        "tera-30: no finite validation loss",
        "No downstream result for hubert-30, hubert-slim.",
    ]
    assert [sentence for sentence, start in zip(missing, expected, strict=True) if not sentence.startswith(start)] == []


def test_the_loss_of_a_collapsed_run_is_not_compared(study_folder: StudyFolder) -> None:
    """Its distractors equal the target, so that its loss is the lowest of all."""
    for size, books, loss in (("30", (1.0, 1.2), 0.01), ("slim", (1.0, 40.0), 6.0)):
        monitored = {f"code_perplexity_{book}": value for book, value in enumerate(books, 1)}
        study_folder.pretrain("wav2vec2", size, metrics={"valid_loss": loss, "monitored": monitored})
    study = read_study(study_folder.out)
    assert {run.size: math.isfinite(run.valid_loss) for run in study.pretrain} == {"30": False, "slim": True}
    (told,) = [sentence for sentence in study.missing if "codeword" in sentence]
    assert told.startswith("wav2vec2-30: its loss says nothing") and told.endswith("it is left out of every comparison.")


def test_a_complete_study_misses_nothing(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "slim", [train_line(1, 6.0)])
    study_folder.downstream("hubert", "slim", 0.3, 0.3)
    assert read_study(study_folder.out).missing == ()
