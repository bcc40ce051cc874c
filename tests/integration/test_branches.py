"""A run that begins from another's checkpoint: it is continued as any other, and its record tells both computes apart."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path

import pytest

from tests.integration.conftest import WIDE, Training, check
from tests.integration.test_mistakes import message
from tests.integration.test_resume import assert_same_end

pytestmark = pytest.mark.integration

UPDATES = ("task.budget.flops=null", "task.budget.updates={}", WIDE)


def updates(count: int) -> tuple[str, ...]:
    return tuple(text.replace("{}", str(count)) for text in UPDATES)


@pytest.fixture(scope="module")
def trunk(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint at 4 updates of a run of 6."""
    run = Training(corpus / "data", tmp_path_factory.mktemp("trunk") / "run", "hubert")
    check(run.run("schedule=trunk", *updates(6), "task.checkpoints=3"))
    return run.checkpoint.with_name("checkpoint_at_4_updates.pt")


def branching(trunk: Path) -> tuple[str, ...]:
    """What makes a run of 10 updates that begins from the trunk's."""
    branch = ("schedule=cooldown", *updates(10), f"checkpoint.restore_file={trunk}")
    return (*branch, "checkpoint.save_interval_updates=1", "task.checkpoints=2")


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory, trunk: Path) -> Training:
    """A branch that nothing interrupts."""
    run = Training(corpus / "data", tmp_path_factory.mktemp("branch") / "run", "hubert")
    check(run.run(*branching(trunk)))
    return run


def test_a_branch_that_is_killed_goes_on_where_it_was(corpus: Path, tmp_path: Path, trunk: Path, whole: Training) -> None:
    """The same command, killed and given again, ends as the branch that nothing interrupts."""
    options, killed = branching(trunk), Training(corpus / "data", tmp_path / "killed", "hubert")
    killed.run_and_signal(3, signal.SIGKILL, *options)
    before = killed.record["spent"]["updates"]
    assert 4 < before < 10
    check(killed.run(*options))
    assert killed.logged("train_inner")[-1]["num_updates"] == 10
    assert_same_end(killed, whole)
    for run in (whole, killed):
        kept = sorted(path.name for path in run.checkpoint.parent.glob("checkpoint_at_*"))
        assert kept == ["checkpoint_at_10_updates.pt", "checkpoint_at_5_updates.pt"]
        parent = run.record["parent"]
        assert (parent["path"], parent["way"]) == (str(trunk), "restore_file")
        assert parent["sha256"] == hashlib.sha256(trunk.read_bytes()).hexdigest()
        assert (parent["inherited"]["updates"], parent["new"]["updates"]) == (4, 6)
        assert parent["inherited"]["flops"] + parent["new"]["flops"] == run.record["spent"]["flops"]
    assert killed.record["parent"]["new"]["flops"] == whole.record["parent"]["new"]["flops"]


def test_a_branch_from_somewhere_else_is_another_run(trunk: Path, whole: Training) -> None:
    told = whole.run(*branching(trunk.with_name("checkpoint_at_2_updates.pt")))
    assert told.returncode == 1
    assert f"began from `{trunk}`: name that one, or give another `hydra.run.dir`" in message(told.stderr)


def test_weights_alone(corpus: Path, tmp_path: Path, trunk: Path) -> None:
    """`finetune_from_model` begins a ledger of its own; nothing is inherited, and the parent is told all the same."""
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    check(run.run(*updates(2), f"checkpoint.finetune_from_model={trunk}"))
    assert run.record["spent"]["updates"] == 2
    parent = run.record["parent"]
    assert (parent["way"], parent["spent"]["updates"]) == ("finetune_from_model", 4)
    assert (parent["inherited"]["updates"], parent["new"]["updates"]) == (0, 2)


@pytest.mark.parametrize("way", ["restore_file", "continue_once", "finetune_from_model"])
def test_a_checkpoint_that_is_not_there(corpus: Path, tmp_path: Path, way: str) -> None:
    run = Training(corpus / "data", tmp_path / "run", "hubert")
    told = run.run(f"checkpoint.{way}=nowhere.pt")
    assert told.returncode == 1
    assert f"`checkpoint.{way}`: no file `{tmp_path}/run/nowhere.pt` or `{tmp_path}/nowhere" in message(told.stderr)
    assert not run.checkpoint.exists()
