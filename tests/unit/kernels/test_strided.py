"""The strided convolution as matrix products is torch's convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.kernels import strided
from fairseq_budget.kernels.strided import gelu_conv
from tests.common import assert_close

KERNELS_AND_STRIDES = [(10, 5), (3, 2), (2, 2), (5, 2), (7, 3), (4, 1), (1, 1), (2, 3)]


def rows(batch: int, steps: int, stride: int, channels: int = 6) -> Tensor:
    """Utterances padded to a multiple of the stride.  Shape: -> (B, R, C)"""
    filled = steps + -steps % stride
    return torch.randn(batch, filled, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(steps))


@pytest.mark.parametrize(("kernel", "stride"), KERNELS_AND_STRIDES)
@pytest.mark.parametrize("steps", [30, 31])
@pytest.mark.parametrize("block", [4, 5, 4096])
def test_it_is_a_convolution(kernel: int, stride: int, steps: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strided, "ROWS_ON_CPU", block)
    x = rows(2, steps, stride).requires_grad_()
    weight = torch.randn(4, 6, kernel, dtype=torch.float64, requires_grad=True)
    expected = F.conv1d(F.gelu(x[:, :steps]).transpose(1, 2), weight, stride=stride).transpose(1, 2)
    out = gelu_conv(x.flatten(0, 1), weight, stride).view(2, -1, 4)[:, : expected.size(1)]
    assert_close(out, expected, 1e-12)
    wanted = torch.autograd.grad(expected.square().sum(), [x, weight])
    for ours, reference in zip(torch.autograd.grad(out.square().sum(), [x, weight]), wanted, strict=True):
        assert_close(ours, reference, 1e-12)


def test_what_fills_up_is_neither_heard_nor_learned_from() -> None:
    x = rows(2, 31, 2)
    weight = torch.randn(4, 6, 3, dtype=torch.float64)
    disturbed = x.clone()
    disturbed[:, 31:] = 100
    disturbed.requires_grad_()
    first, second = (gelu_conv(y.flatten(0, 1), weight, 2).view(2, -1, 4)[:, :15] for y in (x, disturbed))
    assert torch.equal(first, second.detach())
    second.sum().backward()
    assert not disturbed.grad[:, 31:].any()


def test_half_precision_is_rounded_like_a_convolution() -> None:
    x, weight = rows(1, 400, 2, 64).float()[0], torch.randn(64, 64, 3, generator=torch.Generator().manual_seed(0))
    exact = gelu_conv(x, weight, 2)
    ours = gelu_conv(x.bfloat16(), weight, 2)
    torchs = F.conv1d(F.gelu(x.bfloat16()).t(), weight.bfloat16(), stride=2).t()
    assert ours.dtype == torch.bfloat16
    error, accepted = (float((low.float()[: len(torchs)] - exact[: len(torchs)]).square().mean()) for low in (ours, torchs))
    assert error < 1.5 * accepted
