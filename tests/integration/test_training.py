"""fairseq-hydra-train with the recipes, on generated speech, as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fairseq_budget.arithmetic.flops import training_flops
from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.checkpoints.run_state import ledger_of
from fairseq_budget.objectives import OBJECTIVES
from tests.integration.conftest import Training, check

pytestmark = pytest.mark.integration

BUDGET = 3e9


@pytest.fixture(scope="module", params=OBJECTIVES)
def trained(request: pytest.FixtureRequest, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A run of each objective to the end of its budget."""
    training = Training(corpus / "data", tmp_path_factory.mktemp("runs") / request.param, request.param)
    check(training.run(f"task.budget.flops={BUDGET}"))
    return training


def test_the_run_ends_at_the_first_update_that_reaches_the_budget(trained: Training) -> None:
    spent = [line["flops"] for line in trained.logged("train_inner")]
    assert spent[-2] < BUDGET <= spent[-1]
    assert trained.record["spent"]["flops"] == pytest.approx(spent[-1], rel=1e-5), "the log has six digits"
    assert trained.record["spent"]["updates"] == len(spent)


def test_the_ledger_is_what_the_closed_form_says_of_the_audio_heard(trained: Training) -> None:
    """Every crop lasts one second, one or two make a batch: FLOPs and hours follow from the number of crops."""
    shape = load_pretrained(trained.checkpoint).model.model_shape
    spent = trained.record["spent"]
    utterances = spent["samples"] / 16_000
    assert spent["updates"] < utterances <= 2 * spent["updates"]
    assert spent["flops"] == training_flops(shape, [16_000]) * utterances
    assert spent["hours_heard"] == pytest.approx(spent["samples"] / 16_000 / 3600)


def test_every_log_line_tells_what_is_spent(trained: Training) -> None:
    for line in trained.logged("train_inner"):
        assert {"flops", "budget_share", "hours_heard", "device_hours", "loss", "lr"} <= set(line)
        assert line["budget_share"] == pytest.approx(line["flops"] / BUDGET, rel=1e-4)


def test_the_schedule_ends_with_the_budget(trained: Training) -> None:
    """The rate of each update is the polynomial of what was spent before it."""
    lines = trained.logged("train_inner")
    for before, line in zip(lines, lines[1:], strict=False):
        progress = before["budget_share"]
        expected = progress / 0.08 if progress < 0.08 else (1 - progress) / 0.92
        assert line["lr"] == pytest.approx(expected * 5e-4 * (0.8 if trained.objective == "wav2vec2" else 1), rel=1e-3)


def test_it_validated_and_saved_at_the_end(trained: Training) -> None:
    validations = trained.logged("valid")
    assert validations[-1]["valid_num_updates"] == trained.record["spent"]["updates"]
    assert trained.record["metrics"]["valid_loss"] == pytest.approx(validations[-1]["valid_loss"], rel=1e-4)
    state = torch.load(trained.checkpoint)
    saved = state["optimizer_history"][-1]["lr_scheduler_state"]["run"]["ledger"]
    assert saved == ledger_of(state)
    assert saved["flops"] == trained.record["spent"]["flops"]


def test_the_checkpoint_opens_without_fairseq(trained: Training) -> None:
    pretrained = load_pretrained(trained.checkpoint)
    assert (pretrained.objective, pretrained.size, pretrained.shape) == (trained.objective, None, "2 layers x 64")
    with torch.no_grad():
        states, _ = pretrained.model.extract(torch.randn(1, 16_000))
    assert len(states) == 3
    assert all(torch.isfinite(state).all() for state in states)


# what ends and continues a run doesn't ask for its objective
FIRST = [pytest.param(name, marks=[pytest.mark.slow] if number else []) for number, name in enumerate(OBJECTIVES)]


@pytest.mark.parametrize("trained", FIRST, indirect=True)
def test_a_finished_run_does_nothing_and_a_larger_budget_continues_it(trained: Training) -> None:
    before = trained.record["spent"]
    told = check(trained.run(f"task.budget.flops={BUDGET}"))
    assert "nothing is left to do" in told.stdout
    of_hosts = ("ConfigStore schema", "no longer change working directory", "DEBUG:")
    assert not any(text in told.stdout + told.stderr for text in of_hosts), "what Hydra says to fairseq's authors"
    assert trained.record["spent"] == before
    check(trained.run(f"task.budget.flops={2 * BUDGET}"))
    after = trained.record["spent"]
    assert 2 * BUDGET <= after["flops"] < 2.2 * BUDGET
    assert after["flops"] / after["updates"] == before["flops"] / before["updates"]
    first_after = trained.logged("train_inner")[before["updates"]]
    assert first_after["num_updates"] == before["updates"] + 1
    assert first_after["lr"] > 0, "the schedule goes on from the share of the new budget"


def test_checkpoints_on_the_budgets_clock_and_a_branch_from_one(corpus: Path, tmp_path: Path) -> None:
    """A trunk at constant rate, kept at each half of its budget; a branch cools down from the first half."""
    trunk = Training(corpus / "data", tmp_path / "trunk", "tera")
    check(trunk.run("schedule=trunk", "task.budget.flops=null", "task.budget.updates=8", "task.checkpoints=2"))
    kept = trunk.checkpoint.with_name("checkpoint_at_4_updates.pt")
    assert ledger_of(torch.load(kept))["updates"] == 4
    assert [line["valid_num_updates"] for line in trunk.logged("valid")] == [4, 8]
    assert trunk.logged("train_inner")[-1]["lr"] == pytest.approx(5e-4)
    branch = Training(corpus / "data", tmp_path / "branch", "tera")
    check(
        branch.run("schedule=cooldown", "task.budget.updates=6", "task.budget.flops=null", f"checkpoint.restore_file={kept}")
    )
    rates = [line["lr"] for line in branch.logged("train_inner")]
    assert branch.record["spent"]["updates"] == 6
    # 4 of 6 updates are behind it: constant up to 80%, then down; 5 of 6 are 1 / 6 before the end
    assert rates == pytest.approx([5e-4, 5e-4 / 6 / 0.2])


@pytest.mark.parametrize(
    ("overrides", "currency"),
    [
        pytest.param(("task.budget.hours_heard=0.004",), "hours_heard", marks=pytest.mark.slow),
        (("task.budget.updates=3",), "updates"),
        (("task.budget.flops=1e20", "task.budget.updates=2"), "updates"),
    ],
    ids=["hours_heard", "updates", "first_reached"],
)
def test_other_currencies_end_a_run(corpus: Path, tmp_path: Path, overrides: tuple[str, ...], currency: str) -> None:
    training = Training(corpus / "data", tmp_path / "run", "tera")
    check(training.run("budget=custom", *overrides))
    amount, spent = training.record["budget"][currency], training.record["spent"]
    assert amount <= spent[currency] < amount + 1.001 * spent[currency] / spent["updates"]
