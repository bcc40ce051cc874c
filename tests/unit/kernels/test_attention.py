"""Attention utterance by utterance is torch's attention with a mask; with dropout, it is the formula written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fairseq_budget.kernels.attention import attend
from fairseq_budget.kernels.dropout import draw, drop, threshold
from tests.common import assert_close

BATCH, HEADS, FRAMES, WIDTH = 3, 2, 17, 5
LENGTHS = [17, 9, 1]


def heads(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Query, key and value as a layer makes them: heads beside each other in memory."""
    generator = torch.Generator().manual_seed(0)
    shape = (BATCH, FRAMES, HEADS, WIDTH)
    return [torch.randn(shape, generator=generator, dtype=dtype).transpose(1, 2).requires_grad_() for _ in range(3)]


def keep() -> Tensor:
    """Shape: -> (B, 1, 1, F)"""
    return (torch.arange(FRAMES) < torch.tensor(LENGTHS)[:, None])[:, None, None]


@pytest.mark.parametrize("padded", [False, True])
def test_it_is_torchs_attention(padded: bool) -> None:
    given, mask = heads(), keep() if padded else None
    ours, reference = attend(*given, mask, 0.0), F.scaled_dot_product_attention(*given, attn_mask=mask)
    exists = keep().transpose(2, 3) if padded else torch.tensor(True)
    assert_close(ours * exists, reference * exists, 1e-12)
    wanted = torch.autograd.grad((reference * exists).pow(3).sum(), given)
    for gradient, expected in zip(torch.autograd.grad((ours * exists).pow(3).sum(), given), wanted, strict=True):
        assert_close(gradient, expected, 1e-12)


def written_out(query: Tensor, key: Tensor, value: Tensor, probability: float, seed: int) -> Tensor:
    """The formula, with the weights dropped that are dropped in training from torch's `seed`."""
    torch.manual_seed(seed)
    drawn = int(torch.randint(2**63 - 1, ()))
    rows = []
    for row in range(BATCH):
        weights = (query[row] @ key[row].transpose(1, 2) / math.sqrt(WIDTH)).softmax(-1)
        kept = drop(torch.ones_like(weights), draw(weights, drawn + row), threshold(probability, weights.dtype))
        rows.append((weights * kept / (1 - probability)) @ value[row])
    return torch.stack(rows)


def test_dropout_is_on_the_weights() -> None:
    given = heads()
    torch.manual_seed(3)
    ours, reference = attend(*given, None, 0.3), written_out(*given, 0.3, seed=3)
    assert not torch.allclose(reference, attend(*given, None, 0.0))
    assert_close(ours, reference, 1e-9)
    wanted = torch.autograd.grad(reference.pow(3).sum(), given)
    for gradient, expected in zip(torch.autograd.grad(ours.pow(3).sum(), given), wanted, strict=True):
        assert_close(gradient, expected, 1e-9)


def test_dropout_leaves_the_mean() -> None:
    given = [x.detach().requires_grad_() for x in heads(torch.float32)]
    torch.manual_seed(0)
    mean = torch.stack([attend(*given, keep(), 0.2).detach() for _ in range(2000)]).mean(0)
    plain = attend(*given, keep(), 0.0).detach()
    assert float((mean - plain).abs().max()) < 0.1
    assert not plain[1, :, LENGTHS[1] :].any(), "nothing is computed for padding"


def test_without_gradients_it_is_torchs_own() -> None:
    given = heads(torch.float32)
    with torch.no_grad():
        assert torch.equal(attend(*given, None, 0.0), F.scaled_dot_product_attention(*given))


@pytest.mark.parametrize("probability", [0.0, 0.1])
def test_half_precision(probability: float) -> None:
    given = heads(torch.float32)
    low = [x.detach().bfloat16().requires_grad_() for x in given]
    # as many bits are drawn for each value as it has: the same seed drops others in bf16 than in fp32
    torch.manual_seed(0)
    ours = attend(*low, None, probability)
    torch.manual_seed(0)
    exact = attend(*(x.detach().float().requires_grad_() for x in low), None, probability)
    assert ours.dtype == torch.bfloat16
    if probability == 0:
        assert_close(ours.float(), exact, 0.01)
    gradients = torch.autograd.grad(ours.float().pow(2).sum(), low)
    assert all(gradient.isfinite().all() and gradient.dtype == torch.bfloat16 for gradient in gradients)
