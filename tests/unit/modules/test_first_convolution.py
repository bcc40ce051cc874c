"""The first convolution with folded group norm computes what the two do one after the other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.modules import first_convolution
from fairseq_budget.modules.convolutions import ConvFeatureEncoder
from fairseq_budget.modules.first_convolution import filtered, normalised_filters, pieces_of
from tests.common import assert_close, waves

KERNEL, STRIDE, EPS = 10, 5, 1e-5


def parameters(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Weight, gain and bias of eight channels."""
    generator = torch.Generator().manual_seed(5)
    shapes = ((8, KERNEL), (8,), (8,))
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def folded(source: Tensor, weight: Tensor, gain: Tensor, bias: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Shape: (B, S) -> (B, F, C)"""
    pieces = pieces_of(F.pad(source, (0, -source.size(1) % STRIDE)), KERNEL, STRIDE)
    frames = (source.size(1) - KERNEL) // STRIDE + 1
    filters = normalised_filters(pieces, frames, weight, gain, bias, EPS)
    return filtered(pieces.to(dtype or source.dtype), *filters)[:, :frames]


def one_after_the_other(source: Tensor, weight: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Shape: (B, S) -> (B, F, C)"""
    out = F.conv1d(source[:, None], weight[:, None], stride=STRIDE)
    return F.group_norm(out, len(gain), gain, bias, EPS).transpose(1, 2)


@pytest.mark.parametrize("samples", [5_000, 12_347])
@pytest.mark.parametrize("scale", [1.0, 1e-4])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_values_and_gradients(samples: int, scale: float, offset: float) -> None:
    """Loud and quiet, with an offset that hides the signal from single precision."""
    source = (scale * (waves(2, samples) + offset)).double().requires_grad_()
    given = parameters()
    ours, reference = folded(source, *given), one_after_the_other(source, *given)
    assert_close(ours, reference, 1e-8)
    wanted = torch.autograd.grad(reference.pow(3).sum(), [*given, source])
    for gradient, expected in zip(torch.autograd.grad(ours.pow(3).sum(), [*given, source]), wanted, strict=True):
        assert_close(gradient, expected, 1e-6)


def test_gradients_are_summed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    source, given = waves(2, 9_000).double(), parameters()
    whole = torch.autograd.grad(folded(source, *given).pow(3).sum(), given)
    monkeypatch.setattr(first_convolution, "ROWS_AT_A_TIME", 70)
    for gradient, expected in zip(torch.autograd.grad(folded(source, *given).pow(3).sum(), given), whole, strict=True):
        assert_close(gradient, expected, 1e-12)


def test_gradients_survive_half_precision() -> None:
    """Most of a filter's gradient is removed by group norm's derivative: rounding must not be what is left."""
    source, given = waves(2, 60_000), parameters(torch.float32)
    exact = torch.autograd.grad(folded(source, *given).pow(3).sum(), given)
    rounded = torch.autograd.grad(folded(source, *given, dtype=torch.bfloat16).float().pow(3).sum(), given)
    for gradient, expected in zip(rounded, exact, strict=True):
        assert_close(gradient, expected, 0.03)


@pytest.mark.parametrize("mode", ["default", "layer_norm"])
def test_a_single_convolution_is_an_encoder_too(mode: str) -> None:
    torch.manual_seed(0)
    encoder = ConvFeatureEncoder(((16, 400, 320),), mode)
    features, _ = encoder(waves(1, 4_000))
    weight = encoder.conv_layers[0].weight
    out = F.conv1d(waves(1, 4_000)[:, None], weight, stride=320)
    normal = F.group_norm(out, 16).transpose(1, 2) if mode == "default" else F.layer_norm(out.transpose(1, 2), (16,))
    assert_close(features, F.gelu(normal))
