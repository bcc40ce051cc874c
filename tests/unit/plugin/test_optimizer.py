"""Adam in a few kernels computes what fairseq's computes, and each goes on with what the other has saved."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from fairseq.optim import build_optimizer
from fairseq.optim.fp16_optimizer import FP16Optimizer
from omegaconf import OmegaConf
from torch import Tensor

from fairseq_budget.plugin import compat
from tests.common import assert_close

SHAPES = ((7, 5), (5,), (3, 4, 2))


def adam(name: str, params: list[Tensor], decay: float = 0.01) -> Any:
    settings = {
        "_name": name,
        "adam_betas": "(0.9,0.98)",
        "adam_eps": 1e-6,
        "weight_decay": decay,
        "lr": [5e-3],
        "tpu": False,
    }
    return build_optimizer(OmegaConf.create(settings), params)


def parameters() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def learn(optimizer: Any, params: list[Tensor], updates: range) -> list[Tensor]:
    """Some updates with gradients of their own; every other one leaves out a parameter, as LayerDrop does.  -> norms"""
    norms = []
    for update in updates:
        generator = torch.Generator().manual_seed(update)
        optimizer.zero_grad()
        for number, p in enumerate(params):
            grad = torch.randn(p.shape, generator=generator)
            p.grad = None if number == 1 and update % 2 else grad
        norms.append(optimizer.clip_grad_norm(2.0))
        optimizer.set_lr(1e-2 / (1 + update))
        optimizer.step()
    return norms


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_the_numbers_are_fairseqs(decay: float) -> None:
    theirs, ours = parameters(), parameters()
    norms = learn(adam("adam", theirs, decay), theirs, range(6)), learn(adam("budget_adam", ours, decay), ours, range(6))
    assert torch.equal(*map(torch.stack, norms))
    for mine, expected in zip(ours, theirs, strict=True):
        assert_close(mine, expected, 1e-6)
        assert not torch.equal(mine, parameters()[0]), "it has learned"


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_the_fused_step_is_the_same(decay: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's kernel for GPUs has one for CPUs beside it."""
    from fairseq_budget.plugin import optimizer

    theirs, ours = parameters(), parameters()
    learn(adam("adam", theirs, decay), theirs, range(6))
    monkeypatch.setattr(optimizer, "_in_fairseqs_order", optimizer._fused)
    learn(adam("budget_adam", ours, decay), ours, range(6))
    for mine, expected in zip(ours, theirs, strict=True):
        assert_close(mine, expected, 1e-5)


@pytest.mark.parametrize(("first", "second"), [("adam", "budget_adam"), ("budget_adam", "adam")])
def test_each_goes_on_from_the_others_state(first: str, second: str) -> None:
    whole, parted = parameters(), parameters()
    learn(adam("adam", whole), whole, range(6))
    begun = adam(first, parted)
    learn(begun, parted, range(3))
    continued = adam(second, parted)
    continued.load_state_dict(copy.deepcopy(begun.state_dict()), continued.optimizer_config)
    learn(continued, parted, range(3, 6))
    for mine, expected in zip(parted, whole, strict=True):
        assert_close(mine, expected, 1e-6)
    assert {state["step"] for state in continued.state_dict()["state"].values()} == {3, 6}


def test_half_precision_is_copied_as_fairseq_copies_it() -> None:
    """bf16 without loss scaling, which needs no GPU; a parameter without a gradient has one of zeros."""
    compat.apply()
    cfg = OmegaConf.create(
        {
            "optimizer": {
                "_name": "budget_adam",
                "adam_betas": "(0.9,0.98)",
                "adam_eps": 1e-6,
                "weight_decay": 0.0,
                "tpu": False,
            },
            "common": {"bf16": True, "fp16": False, "fp16_scale_window": 1, "fp16_no_flatten_grads": False},
        }
    )
    cfg.optimizer.weight_decay, cfg.optimizer.lr = 0.0, [1e-2]
    params = [torch.nn.Parameter(p.data.bfloat16()) for p in parameters()]
    optimizer = FP16Optimizer.build_optimizer(cfg, params)
    optimizer.zero_grad()
    optimizer.backward(sum(p.float().square().sum() for p in params[:2]))
    optimizer.clip_grad_norm(0.0)
    for p, copied in zip(params, optimizer.fp32_params, strict=True):
        assert torch.equal(copied.grad, torch.zeros(p.shape) if p.grad is None else p.grad.float())
    optimizer.step()
    for p, copied in zip(params, optimizer.fp32_params, strict=True):
        assert torch.equal(p.data, copied.data.bfloat16())
