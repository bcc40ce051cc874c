"""Heads: parameters of their own on one set of data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fairseq_budget.errors import BudgetError
from s3prl_upstreams.sweep.heads import DownstreamHead, in_turn, loader


class Expert(nn.Module):
    """Has what s3prl's experts have: layers, a buffer, data, paths."""

    def __init__(self, folder: Path, items: int = 3) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("best_score", torch.zeros(1))
        self.train_dataset = TensorDataset(torch.zeros(items, 1))
        self.test_dataset: TensorDataset | None = None
        self.expdir, self.log, self.corpus = folder, str(folder / "deep" / "log.log"), "/somewhere/else"

    def get_dataloader(self, split: str) -> DataLoader:
        if split == "test":
            self.test_dataset = TensorDataset(torch.zeros(2, 1))
            return DataLoader(self.test_dataset)
        return DataLoader(self.train_dataset)


@pytest.fixture
def head(tmp_path: Path) -> DownstreamHead:
    return DownstreamHead(nn.Linear(1, 1), Expert(tmp_path / "first"), tmp_path / "first")


def test_a_twin_has_parameters_of_its_own_and_shares_the_data(head: DownstreamHead, tmp_path: Path) -> None:
    twin = head.twin(tmp_path / "second")
    assert torch.equal(twin.expert.linear.weight, head.expert.linear.weight)
    with torch.no_grad():
        twin.expert.linear.weight.zero_()
        twin.featurizer.weight.zero_()
        twin.expert.best_score += 1
    assert head.expert.linear.weight.any() and head.featurizer.weight.any() and not head.expert.best_score.any()
    assert twin.expert.train_dataset is head.expert.train_dataset


def test_a_twin_writes_to_its_own_folder(head: DownstreamHead, tmp_path: Path) -> None:
    expert = head.twin(tmp_path / "second").expert
    assert expert.expdir == tmp_path / "second" and (tmp_path / "second").is_dir()
    assert expert.log == str(tmp_path / "second" / "deep" / "log.log")
    assert expert.corpus == "/somewhere/else" and head.expert.expdir == tmp_path / "first"


def test_heads_see_the_data_that_the_first_one_loads_last(head: DownstreamHead, tmp_path: Path) -> None:
    """QbE's expert loads each split when it is asked for, and looks things up in it."""
    twins = [head.twin(tmp_path / name) for name in ("second", "third")]
    for _ in range(2):
        loader([head, *twins], "test")
        assert all(twin.expert.test_dataset is head.expert.test_dataset is not None for twin in twins)
        assert [twin.expert.expdir.name for twin in twins] == ["second", "third"]


def test_a_split_without_batches_is_refused(tmp_path: Path) -> None:
    empty = DownstreamHead(nn.Linear(1, 1), Expert(tmp_path, items=0), tmp_path)
    with pytest.raises(BudgetError, match="the split `train` has no batch"):
        loader([empty], "train")


def test_an_error_is_one_heads_alone(head: DownstreamHead, tmp_path: Path) -> None:
    other = head.twin(tmp_path / "second")
    done = []

    def action(each: DownstreamHead) -> None:
        if each is head:
            raise ZeroDivisionError("no slots")
        done.append(each)

    for _ in range(2):
        in_turn([head, other], action)
    assert done == [other, other] and other.failed is None
    assert head.failed == "ZeroDivisionError: no slots"


def test_running_out_of_device_memory_is_nobodys_fault(head: DownstreamHead) -> None:
    def action(_: DownstreamHead) -> None:
        raise torch.OutOfMemoryError("none left")

    with pytest.raises(torch.OutOfMemoryError, match="none left"):
        in_turn([head], action)
    assert head.failed is None


def test_heads_that_draw_differently_cannot_share(head: DownstreamHead, tmp_path: Path) -> None:
    draws = {head: 1, head.twin(tmp_path / "a"): 2, head.twin(tmp_path / "b"): 1}
    in_turn(draws, lambda each: torch.rand(draws[each]))
    assert [each.failed is None for each in draws] == [True, False, True]
    assert "drew other random numbers" in list(draws)[1].failed
