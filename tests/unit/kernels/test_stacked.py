"""Parameters that are cast together: autocast's numbers, and gradients in the parameters' own precision."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fairseq_budget.kernels.stacked import cast_stacked, is_cast
from fairseq_budget.modules.transformer import TransformerLayer
from fairseq_budget.objectives.hubert.defaults import HubertConfig


def test_a_group_is_one_parameter_and_each_has_its_gradient() -> None:
    torch.manual_seed(0)
    high, low, bias = (nn.Parameter(torch.randn(*shape)) for shape in ((3, 4), (2, 4), (5,)))
    with torch.autocast("cpu", torch.bfloat16):
        assert is_cast(high)
        joined, alone = cast_stacked([(high, low), (bias,)])
    assert torch.equal(joined, torch.cat([high, low]).bfloat16()) and torch.equal(alone, bias.bfloat16())
    arriving = torch.randn(5, 4).bfloat16()
    torch.autograd.backward([joined, alone], [arriving, alone.detach()])
    for parameter, expected in ((high, arriving[:3]), (low, arriving[3:]), (bias, bias.bfloat16())):
        assert parameter.grad is not None and parameter.grad.dtype == torch.float32
        assert torch.equal(parameter.grad, expected.float())


def test_without_autocast_nothing_is_cast() -> None:
    assert not is_cast(torch.zeros(1))


def test_a_layer_computes_as_with_autocasts_own_casts() -> None:
    torch.manual_seed(0)
    config = HubertConfig(encoder_embed_dim=32, encoder_ffn_embed_dim=48, encoder_attention_heads=4, attention_dropout=0.0)
    layer = TransformerLayer(config).eval()
    x, found = torch.randn(2, 7, 32), []
    for at_once in (False, True):
        layer.casts_at_once = lambda _, at_once=at_once: at_once  # type: ignore[method-assign]
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            out = layer(x, None)
        out.square().sum().backward()
        found.append([out.detach(), *(parameter.grad for parameter in layer.parameters())])
    for one, other in zip(*found, strict=True):
        assert isinstance(one, Tensor) and isinstance(other, Tensor) and other.dtype == torch.float32
        # query, key and value come of one product or of three, which sum in another order
        torch.testing.assert_close(one, other, atol=0.02 * float(one.abs().max()), rtol=0.02)
