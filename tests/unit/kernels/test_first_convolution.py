"""The first convolution with folded group norm computes what the two do one after the other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.frontends.conv.cost import ConvCost
from fairseq_budget.frontends.conv.model import ConvFeatureEncoder
from fairseq_budget.kernels import strided
from fairseq_budget.kernels.first_convolution import filtered_gelu_conv, normalised_filters, pieces_of
from tests.common import assert_close, waves

KERNEL, STRIDE, EPS = 10, 5, 1e-5
SECOND = (3, 2)
"""Kernel and stride of the second convolution."""


def parameters(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Weight, gain and bias of eight channels, and the second convolution's weight."""
    generator = torch.Generator().manual_seed(5)
    shapes = ((8, KERNEL), (8,), (8,), (4, 8, SECOND[0]))
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def folded(source: Tensor, *given: Tensor, dtype: torch.dtype | None = None, at_once: bool = False) -> Tensor:
    """Shape: (B, S) -> (B, F', C')"""
    *first, weight = given
    pieces = pieces_of(F.pad(source, (0, -source.size(1) % (STRIDE * SECOND[1]))), KERNEL, STRIDE)
    frames = (source.size(1) - KERNEL) // STRIDE + 1
    filters = normalised_filters(pieces, frames, *first, EPS)
    out = filtered_gelu_conv(pieces.to(dtype or source.dtype), *filters, weight, SECOND[1], at_once)
    return out.view(len(source), -1, len(weight))[:, : (frames - SECOND[0]) // SECOND[1] + 1]


def one_after_the_other(source: Tensor, weight: Tensor, gain: Tensor, bias: Tensor, second: Tensor) -> Tensor:
    """Shape: (B, S) -> (B, F', C')"""
    out = F.conv1d(source[:, None], weight[:, None], stride=STRIDE)
    return F.conv1d(F.gelu(F.group_norm(out, len(gain), gain, bias, EPS)), second, stride=SECOND[1]).transpose(1, 2)


@pytest.mark.parametrize("samples", [5_000, 12_347])
@pytest.mark.parametrize("scale", [1.0, 1e-4])
@pytest.mark.parametrize("offset", [0.0, 3.0])
@pytest.mark.parametrize(("block", "at_once"), [(70, False), (4096, False), (4096, True)])
def test_values_and_gradients(
    samples: int, scale: float, offset: float, block: int, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loud and quiet, with an offset that hides the signal from single precision; by utterances, and the batch at once."""
    monkeypatch.setattr(strided, "ROWS_ON_CPU", block)
    source = (scale * (waves(2, samples) + offset)).double().requires_grad_()
    given = parameters()
    ours, reference = folded(source, *given, at_once=at_once), one_after_the_other(source, *given)
    assert_close(ours, reference, 1e-8)
    wanted = torch.autograd.grad(reference.pow(3).sum(), [*given, source])
    for gradient, expected in zip(torch.autograd.grad(ours.pow(3).sum(), [*given, source]), wanted, strict=True):
        assert_close(gradient, expected, 1e-6)


@pytest.mark.parametrize("at_once", [False, True])
def test_gradients_survive_half_precision(at_once: bool) -> None:
    """Most of a filter's gradient is removed by group norm's derivative: rounding must not be what is left."""
    source, given = waves(2, 60_000), parameters(torch.float32)
    exact = torch.autograd.grad(folded(source, *given).pow(3).sum(), given)
    rounded = torch.autograd.grad(folded(source, *given, dtype=torch.bfloat16, at_once=at_once).float().pow(3).sum(), given)
    for gradient, expected in zip(rounded, exact, strict=True):
        assert_close(gradient, expected, 0.03)


@pytest.mark.parametrize("mode", ["default", "layer_norm"])
def test_a_single_convolution_is_an_encoder_too(mode: str) -> None:
    torch.manual_seed(0)
    encoder = ConvFeatureEncoder(ConvCost(((16, 400, 320),), mode == "layer_norm"))
    features, _ = encoder(waves(1, 4_000))
    weight = encoder.conv_layers[0].weight
    out = F.conv1d(waves(1, 4_000)[:, None], weight, stride=320)
    normal = F.group_norm(out, 16).transpose(1, 2) if mode == "default" else F.layer_norm(out.transpose(1, 2), (16,))
    assert_close(features, F.gelu(normal))
