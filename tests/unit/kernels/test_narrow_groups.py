"""A convolution in narrow groups equals torch's, with its gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.kernels.narrow_groups import STEPS, WIDEST, convolve_narrow
from fairseq_budget.modules.positional import WeightNormConv
from tests.common import assert_close

GROUPS = 4


def given(channels: int, frames: int, kernel: int) -> tuple[Tensor, Tensor]:
    """Input and weight in double precision."""
    generator = torch.Generator().manual_seed(3)
    shapes = ((2, frames + kernel - 1, GROUPS * channels), (GROUPS * channels, channels, kernel))
    x, weight = (torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes)
    return x, weight


@pytest.mark.parametrize("channels", [1, 2, 3, WIDEST])
@pytest.mark.parametrize("frames", [1, STEPS - 1, STEPS, 3 * STEPS + 5])
@pytest.mark.parametrize("kernel", [1, 5, 128])
def test_values_and_gradients(channels: int, frames: int, kernel: int) -> None:
    x, weight = given(channels, frames, kernel)
    ours = convolve_narrow(x, weight, GROUPS)
    plain = F.conv1d(x.transpose(1, 2), weight, groups=GROUPS).transpose(1, 2)
    assert_close(ours, plain, 1e-12)
    wanted = torch.autograd.grad(plain.pow(3).sum(), [x, weight])
    for gradient, expected in zip(torch.autograd.grad(ours.pow(3).sum(), [x, weight]), wanted, strict=True):
        assert_close(gradient, expected, 1e-11)


@pytest.mark.parametrize("dim", [GROUPS * WIDEST, GROUPS * (WIDEST + 1)])
@pytest.mark.parametrize("kernel", [5, 128])
def test_positions_are_stock_fairseqs(dim: int, kernel: int) -> None:
    """On either side of the width at which the computation changes: torch's own weight norm and convolution."""
    module = WeightNormConv(dim, kernel, GROUPS)
    stock = torch.nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=GROUPS)
    torch.nn.utils.parametrizations.weight_norm(stock, dim=2)
    stock.load_state_dict(
        {
            "bias": module.bias,
            "parametrizations.weight.original0": module.weight_g,
            "parametrizations.weight.original1": module.weight_v,
        }
    )
    x = torch.randn(2, 37, dim, generator=torch.Generator().manual_seed(1))
    expected = stock(x.transpose(1, 2)).transpose(1, 2)[:, :37]
    assert_close(module(x), expected, 1e-5)
