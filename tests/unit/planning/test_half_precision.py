"""Half weights follow masters in single precision; an overflow changes neither."""

from __future__ import annotations

import torch
from torch import nn

from fairseq_budget.planning.half_precision import LOSS_SCALE, HalfPrecision


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def test_an_update_is_that_of_single_precision_rounded() -> None:
    plain, model, x = linear(), linear(), torch.randn(5, 4)
    half = HalfPrecision(model)
    steps = [torch.optim.SGD(learnt, lr=0.1) for learnt in (plain.parameters(), half.masters)]
    for _ in range(3):
        (plain(x) ** 2).mean().backward()
        steps[0].step()
        steps[0].zero_grad()
        half.scale((model(x.half()) ** 2).mean()).backward()
        assert half.update(steps[1])
    for weight, master, expected in zip(model.parameters(), half.masters, plain.parameters(), strict=True):
        assert weight.dtype == torch.float16 and weight.grad is None
        torch.testing.assert_close(master, expected, atol=1e-3, rtol=1e-3)
        assert torch.equal(weight, master.half())


def test_an_update_that_overflows_is_left_out() -> None:
    model = linear()
    half = HalfPrecision(model)
    before = [weight.clone() for weight in model.parameters()]
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, 65504.0)  # the largest of half precision
    model.weight.grad[0, 0] = torch.inf
    assert not half.update(torch.optim.SGD(half.masters, lr=1.0))
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))


def test_a_layer_that_was_skipped_has_no_gradient() -> None:
    model = linear()
    half = HalfPrecision(model)
    model.bias.grad = torch.full_like(model.bias, LOSS_SCALE)
    optimizer = torch.optim.SGD(half.masters, lr=1.0)
    before = [master.detach().clone() for master in half.masters]
    assert half.update(optimizer)
    assert torch.equal(half.masters[0], before[0])
    torch.testing.assert_close(half.masters[1], before[1] - 1)
