"""The fixes for fairseq act where they're needed and nowhere else."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import traceback
from pathlib import Path

import pytest
import torch
from fairseq import checkpoint_utils, utils
from fairseq.data import Dictionary
from fairseq.data.iterators import BufferedIterator
from fairseq.dataclass.configs import DistributedTrainingConfig
from fairseq.distributed import utils as distributed
from fairseq.file_io import PathManager

from fairseq_budget.checkpoints.digest import KEY
from fairseq_budget.plugin import compat
from fairseq_budget.plugin.compat import repeated
from fairseq_budget.plugin.errors import UserError
from tests import hostile

needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="the fix is for machines without a GPU")


def test_checkpoints_with_fairseqs_objects_are_read(tmp_path: Path) -> None:
    torch.save({"args": argparse.Namespace(a=1), "dictionaries": [Dictionary()]}, tmp_path / "checkpoint.pt")
    loaded = torch.load(tmp_path / "checkpoint.pt")
    assert loaded["args"].a == 1
    assert len(loaded["dictionaries"][0]) == 4


@needs_no_cuda
def test_torchrun_places_workers_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MASTER_ADDR": "localhost", "MASTER_PORT": "1", "WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    cfg = DistributedTrainingConfig(distributed_world_size=2, tpu=False)
    distributed.infer_init_method(cfg)
    assert (cfg.distributed_rank, cfg.device_id, cfg.distributed_no_spawn) == (1, 0, True)
    assert torch.cuda.device_count() == 0


def test_nothing_changes_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    gather, infer = object(), object()
    monkeypatch.setattr(distributed, "all_gather_list", gather)
    monkeypatch.setattr(distributed, "_infer_torch_distributed_launch_init", infer)
    compat.apply()
    assert distributed.all_gather_list is gather
    assert distributed._infer_torch_distributed_launch_init is infer


@pytest.mark.parametrize(
    ("started_by", "starts", "changed"),
    [(None, None, False), (None, "spawn", False), ("a rank's command", "spawn", True), ("joblib", "loky_init_main", True)],
)
def test_loaders_start_as_elsewhere(
    monkeypatch: pytest.MonkeyPatch, started_by: str | None, starts: str | None, changed: bool
) -> None:
    """In a process that another has started; who chooses a way for the whole command keeps it."""
    chosen: list[str] = []
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: started_by)
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: starts)
    monkeypatch.setattr(multiprocessing, "set_start_method", lambda method, force: chosen.append(method))
    assert repeated.start_loaders_as_elsewhere() == changed
    assert chosen == (["fork"] if changed else [])


@needs_no_cuda
def test_applying_twice_changes_nothing() -> None:
    compat.apply()
    before = (distributed.all_gather_list, distributed._infer_torch_distributed_launch_init)
    compat.apply()
    assert (distributed.all_gather_list, distributed._infer_torch_distributed_launch_init) == before


def test_a_copy_that_is_cut_short_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, last = tmp_path / "checkpoint_1_2.pt", tmp_path / "checkpoint_last.pt"
    new.write_bytes(b"new")
    last.write_bytes(b"old")

    def cut_short(source: str, target: str) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:1])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("shutil.copyfile", cut_short)
        PathManager.copy(str(new), str(last), overwrite=True)
    assert last.read_bytes() == b"old"
    assert PathManager.copy(str(new), str(last), overwrite=True)
    assert last.read_bytes() == b"new"


@pytest.mark.parametrize("batches_ahead", [1, 50])
def test_no_thread_reads_ahead_when_python_exits(batches_ahead: int) -> None:
    batches = BufferedIterator(batches_ahead, torch.utils.data.DataLoader(range(10_000)))
    next(batches)
    assert batches._consumer.is_alive()
    repeated.end_reading()
    assert not batches._consumer.is_alive()


def test_fairseq_evaluates_literals_only(tmp_path: Path) -> None:
    """Betas and convolutions, in the modules of fairseq's that would run them as code."""
    adam, hubert = sys.modules["fairseq.optim.adam"], sys.modules["fairseq.models.hubert.hubert"]
    assert adam.eval("(0.9, 0.98)") == (0.9, 0.98)
    assert hubert.eval("[(512,10,5)] + [(512,3,2)] * 2") == [(512, 10, 5), (512, 3, 2), (512, 3, 2)]
    for text in (f"__import__('os').system('touch {tmp_path}/marker')", "[1] * 10 ** 9"):
        with pytest.raises(UserError, match="must be a number, a text, or a list of them"):
            adam.eval(text)
    assert not list(tmp_path.iterdir())


def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path: Path) -> None:
    path, whole = tmp_path / "c.pt", {**hostile.honest(), "cfg": None}
    whole["optimizer_history"] = [{"num_updates": 1, "best_loss": 1.0, "criterion_name": "x"}]
    torch.save(whole, path)
    assert checkpoint_utils.load_checkpoint_to_cpu(str(path))["extra_state"] == whole["extra_state"]
    hostile.archives()["a flipped bit"](path)
    with pytest.raises(UserError, match="has changed since it was written"):
        checkpoint_utils.load_checkpoint_to_cpu(str(path))
    torch.save({**whole, "task_state": {KEY: "0" * 64}}, path)
    with pytest.raises(UserError, match="its tensors aren't those that were saved"):
        checkpoint_utils.load_checkpoint_to_cpu(str(path))
    torch.save({"model": whole["model"]}, path)
    with pytest.raises(UserError, match="has no optimizer_history, extra_state"):
        checkpoint_utils.load_checkpoint_to_cpu(str(path))


@needs_no_cuda
def test_seeding_draws_the_same_without_the_text_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    compat.apply()
    torch.manual_seed(5)
    drawn = torch.randn(3)
    monkeypatch.setattr(traceback, "format_stack", None)
    utils.set_torch_seed(5)
    assert torch.equal(torch.randn(3), drawn)
    before = torch.get_rng_state()
    with utils.set_torch_seed(6):
        torch.randn(3)
    assert torch.equal(torch.get_rng_state(), before)
