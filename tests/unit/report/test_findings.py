"""What the page claims."""

from __future__ import annotations

import math

import pytest

from fairseq_budget.report import findings
from fairseq_budget.report.seeds import scores, winning
from fairseq_budget.report.study import StudyRuns, read_study
from tests.unit.report.conftest import StudyFolder, predictions


def loss(value: float) -> dict[str, float]:
    return {"train_loss": value, "valid_loss": value}


def best_sizes(folder: StudyFolder, objective: str = "hubert") -> list[str]:
    return findings.best_sizes(objective, read_study(folder.out).of_objective(objective))


def best_size(folder: StudyFolder) -> str:
    (sentence,) = best_sizes(folder)
    return sentence


def best_downstream(folder: StudyFolder) -> str:
    return findings.best_downstream("ks", read_study(folder.out).of_task("ks"))


def test_the_lowest_validation_loss_wins(study_folder: StudyFolder) -> None:
    for size, value in (("30", 6.5), ("slim", 6.1), ("base", 6.4)):
        study_folder.pretrain("hubert", size, metrics=loss(value))
    assert best_size(study_folder) == (
        "HuBERT: of 3 sizes at 3.00 TFLOP each, Slim (20.0 M parameters) reached the lowest validation loss, 6.100 bits, "
        "0.3 below Base (one seed each, so how much of it is chance isn't known). "
        "They spent 3.06 TFLOP, as a run ends with a whole update."
    )


def test_runs_that_did_not_spend_the_budget_or_diverged_do_not_compete(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "30", metrics=loss(1.0), spent={"flops": 2.9e12, "updates": 11})
    study_folder.pretrain("hubert", "slim", metrics=loss(math.nan))
    study_folder.pretrain("hubert", "base", metrics=loss(6.4))
    assert "only Base has spent a budget of 3.00 TFLOP (validation loss 6.400 bits)" in best_size(study_folder)


def test_only_equal_budgets_are_compared(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "30", metrics=loss(6.5))
    study_folder.pretrain("hubert", "slim", metrics=loss(6.1))
    study_folder.pretrain("hubert", "base", metrics=loss(1.0), budget={"flops": 1e12})
    small, large = best_sizes(study_folder)
    assert "only Base has spent a budget of 1.00 TFLOP" in small
    assert "of 2 sizes at 3.00 TFLOP each, Slim" in large


def test_another_front_end_is_not_compared(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "30", metrics=loss(6.5))
    study_folder.pretrain("hubert", "slim", metrics=loss(6.1), frontend="mel")
    assert "only Slim has spent a budget of 3.00 TFLOP (mel front end)" in best_sizes(study_folder)[1]


def with_seeds(folder: StudyFolder, *others: float) -> None:
    """Slim, and size 30 with three seeds whose losses deviate by 0.1 from 6.5."""
    for seed, value in enumerate((6.4, 6.5, 6.6)):
        folder.pretrain("hubert", "30", metrics=loss(value)).rename(folder.out / "pretrain" / f"seed{seed}")
    for size, value in zip(("slim", "base"), others, strict=False):
        folder.pretrain("hubert", size, metrics=loss(value))


def test_a_difference_is_measured_by_what_seeds_make(study_folder: StudyFolder) -> None:
    """Two standard errors: 2 x 0.1 x sqrt(1 + 1/3)."""
    with_seeds(study_folder, 6.2)
    assert (
        "Slim (20.0 M parameters) reached the lowest validation loss, 6.200 bits, 0.3 below size 30, more than the 0.23"
        in (best_size(study_folder))
    )


def test_a_difference_that_seeds_make_is_a_tie(study_folder: StudyFolder) -> None:
    with_seeds(study_folder, 6.3)
    assert "0.2 below size 30, which is within the 0.23 that seeds make: call it a tie" in best_size(study_folder)


def test_the_best_size_may_lie_beyond_those_that_were_tried(study_folder: StudyFolder) -> None:
    for budget, losses in ((1e12, (6.0, 6.2, 6.4)), (3e12, (5.9, 5.8, 6.1))):
        for size, value in zip(("30", "slim", "base"), losses, strict=True):
            folder = study_folder.pretrain("hubert", size, metrics=loss(value), budget={"flops": budget})
            folder.rename(folder.with_name(f"{size}-{budget:g}"))
    assert best_sizes(study_folder)[-1] == (
        "HuBERT: the lowest loss is that of 5.9 M at 1.00 TFLOP, 20.0 M at 3.00 TFLOP. At 1.00 TFLOP it is the smallest or "
        "the largest that was tried: the true one may lie beyond."
    )


def test_a_tie_is_called_a_tie(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "30", metrics=loss(6.1))
    study_folder.pretrain("hubert", "slim", metrics=loss(6.10001))
    assert "but Slim is as good to four digits" in best_size(study_folder)


def test_no_finished_run_names_no_size(study_folder: StudyFolder) -> None:
    study_folder.pretrain("hubert", "30", spent={"flops": 1e12, "updates": 4})
    assert "no size can be named" in best_size(study_folder)


def test_the_best_test_score_wins_and_others_are_told_beside(study_folder: StudyFolder) -> None:
    study_folder.downstream("hubert", "30", 0.5, 0.3)
    study_folder.downstream("hubert", "slim", 0.4, 0.35)
    study_folder.downstream("tera", "30", 0.4, 0.31)
    study_folder.downstream("tera", "base", 0.9, None)
    study_folder.downstream("fbank", None, 0.9, 0.412)
    assert best_downstream(study_folder) == (
        "KS, highest test score: HuBERT Slim (35.0%), 4.0 points from TERA size 30: how much of it is chance isn't known. "
        "HuBERT: Slim (35.0%); TERA: size 30 (31.0%) as the only size. FBANK reached 41.2%. On dev, HuBERT size 30 leads."
    )


def test_seeds_of_a_sweep_are_one_score_whichever_rate_was_best(study_folder: StudyFolder) -> None:
    for seed, (rate, test) in enumerate(((1e-3, 0.6), (1e-2, 0.64))):
        sweep = {"rates": [1e-2, 1e-3], "selected_on": "dev"}
        folder = study_folder.downstream("hubert", "30", 0.6, test, lr=rate, sweep=sweep)
        folder.rename(folder.with_name(f"seed{seed}"))
    assert "HuBERT size 30 (62.0% ± 2.8% over 2 seeds)" in best_downstream(study_folder)


def test_seeds_are_one_score_and_the_untrained_is_no_rival(study_folder: StudyFolder) -> None:
    for seed, (ours, untrained) in enumerate(((0.6, 0.5), (0.62, 0.9), (0.64, 0.7))):
        folder = study_folder.out / "downstream" / "ks"
        for objective, test in (("hubert", ours), ("untrained hubert", untrained)):
            study_folder.downstream(objective, "30", 0.5, test, checkpoint="c.pt").rename(folder / f"{objective}{seed}")
    assert best_downstream(study_folder) == (
        "KS, highest test score: HuBERT size 30 (62.0% ± 2.0% over 3 seeds). HuBERT: size 30 (62.0% ± 2.0% over 3 seeds) as "
        "the only size. untrained HuBERT size 30 reached 70.0% ± 20.0% over 3 seeds (a tie)."
    )


@pytest.mark.parametrize(("right", "said"), [(62, "call it a tie"), (80, "points that chance makes.")])
def test_a_lead_is_measured_by_the_test_items(study_folder: StudyFolder, right: int, said: str) -> None:
    """20 items of 100 that one alone gets right are 20 points and two errors of 8; two are 2 points and 2.8."""
    predictions(study_folder.downstream("hubert", "30", 0.6, 0.6), 60)
    predictions(study_folder.downstream("hubert", "slim", right / 100, right / 100), right)
    text = best_downstream(study_folder)
    assert said in text and "HuBERT Slim" in text
    winner = winning(scores(read_study(study_folder.out).downstream))
    assert (None if winner is None else winner.name) == (None if right == 62 else "HuBERT Slim")


def test_models_of_two_checkpoints_are_not_seeds(study_folder: StudyFolder) -> None:
    for name, test in (("a", 0.6), ("b", 0.7)):
        study_folder.downstream("hubert", "30", 0.5, test, checkpoint=name).rename(
            study_folder.out / "downstream" / "ks" / name
        )
    assert "highest test score: HuBERT size 30 (70.0%)" in best_downstream(study_folder)


def test_a_score_of_an_incomplete_corpus_does_not_compete(study_folder: StudyFolder) -> None:
    study_folder.downstream("hubert", "30", 0.5, 0.3)
    study_folder.downstream("hubert", "slim", 0.9, 0.9, incomplete={"missing": 12, "of": 345})
    assert best_downstream(study_folder) == (
        "KS, highest test score: HuBERT size 30 (30.0%). HuBERT: size 30 (30.0%) as the only size. "
        "Of an incomplete corpus, and left out: HuBERT Slim."
    )


def test_downstream_ties_are_all_named_and_errors_count_downwards(study_folder: StudyFolder) -> None:
    for size, error in (("30", 0.2), ("slim", 0.2), ("base", 0.7)):
        study_folder.downstream("hubert", size, error, error, metric="eer", higher_is_better=False)
    assert "HuBERT size 30 and HuBERT Slim (0.2)" in best_downstream(study_folder)


def test_the_summary_counts_what_was_run(study_folder: StudyFolder) -> None:
    for objective in ("hubert", "tera"):
        for size in ("30", "slim"):
            study_folder.pretrain(objective, size)
    assert findings.what_was_run(read_study(study_folder.out)) == (
        "4 pre-training runs: HuBERT and TERA in 2 sizes (size 30 and Slim), each on a budget of 3.00 TFLOP, trained on "
        "30.0 min of speech."
    )


@pytest.mark.parametrize(("updates", "cautious"), [(12, True), (31_999, True), (32_000, False)])
def test_short_runs_carry_a_caution(study_folder: StudyFolder, updates: int, cautious: bool) -> None:
    study_folder.pretrain("hubert", "30", spent={"flops": 3e12, "updates": updates})
    study_folder.downstream("hubert", "30", 0.3, 0.3)
    caution = findings.caution(read_study(study_folder.out))
    assert (caution is not None) == cautious
    if caution:
        assert f"made {updates:,} updates" in caution
        assert "took 40 steps" in caution


def test_mini_sizes_show_what_size_is_worth(study_folder: StudyFolder) -> None:
    """They leave the plateau of guessing in minutes; a run with the papers' convolutions beside them doesn't."""
    for size, params in (("0.15", 31_000), ("1", 200_000)):
        study_folder.pretrain("hubert", size, params=params, percent=1.0, frontend="mel")
    mini = findings.caution(read_study(study_folder.out))
    assert mini is not None and "as a check" not in mini
    assert mini.startswith(
        "Sizes of 0.031 M to 0.2 M parameters on 3.06 TFLOP: at equal budget they show what size is worth"
    )
    study_folder.pretrain("hubert", "slim")
    both = findings.caution(read_study(study_folder.out))
    assert (
        both is not None and "Read hubert-slim as a check that everything works, not as a result: it made 12 updates" in both
    )


def test_a_study_without_pretraining_needs_no_caution() -> None:
    assert findings.caution(StudyRuns((), (), ())) is None
