"""The digest of tensors: every bit counts, how they are stored doesn't."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fairseq_budget.checkpoints.digest import KEY, tensor_digest
from fairseq_budget.checkpoints.pretrained import load_pretrained
from fairseq_budget.errors import BudgetError
from tests import hostile


def state() -> dict[str, Tensor]:
    return {"b": torch.arange(6.0).view(2, 3), "a": torch.ones(3, dtype=torch.bfloat16), "empty": torch.empty(0, 4)}


def test_it_is_the_same_however_tensors_lie() -> None:
    whole = state()
    turned = {"empty": whole["empty"], "a": torch.nn.Parameter(whole["a"]), "b": whole["b"].t().contiguous().t()}
    assert not turned["b"].is_contiguous()
    assert tensor_digest(whole) == tensor_digest(turned)


def test_it_is_the_one_that_was_recorded() -> None:
    """Checkpoints that were saved before must be recognised."""
    assert tensor_digest(state()) == "f4ac3e2004a113fbdd108a844fc61339cb3a2a88de2c14f47b4963981d6ecec5"


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["b"].view(torch.int32)[1, 2].bitwise_xor_(1),
        lambda state: state["b"].neg_(),
        lambda state: state.update(b=state["b"].view(3, 2)),
        lambda state: state.update(b=state["b"].double()),
        lambda state: state.update(a=state["a"].half()),
        lambda state: state.update(c=state.pop("b")),
        lambda state: state.pop("empty"),
        lambda state: state.update(empty=torch.empty(4, 0)),
    ],
)
def test_every_change_changes_it(change: Callable[[dict[str, Tensor]], object]) -> None:
    changed = state()
    change(changed)
    assert tensor_digest(changed) != tensor_digest(state())


@pytest.mark.parametrize("value", [3, torch.empty(2, device="meta"), torch.eye(3).to_sparse()])
def test_what_has_no_numbers_of_its_own(value: object) -> None:
    with pytest.raises(BudgetError, match="`w` is no tensor with numbers of its own"):
        tensor_digest({"w": value})


def test_a_checkpoint_with_its_digest_is_read(tmp_path: Path) -> None:
    whole = hostile.honest()
    whole = {**whole, "task_state": {KEY: tensor_digest(whole["model"])}}
    torch.save(whole, tmp_path / "c.pt")
    assert load_pretrained(tmp_path / "c.pt").objective == "hubert"
