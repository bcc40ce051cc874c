"""Layers added up for all heads: what s3prl's featurizer makes of them, and the same gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from s3prl_upstreams.host import compat
from s3prl_upstreams.sweep.mixing import StackedLayers, adds_up


class Layers(nn.Module):
    """An upstream with five layers."""

    def get_downsample_rates(self, key: str) -> int:
        return 320

    def forward(self, wavs: list[Tensor]) -> dict[str, list[Tensor]]:
        draw = torch.Generator().manual_seed(len(wavs))
        states = [torch.randn(len(wavs), 50, 8, generator=draw) for _ in range(5)]
        return {"hidden_states": states, "last_hidden_state": states[-1]}


def featurizer(**settings: object) -> nn.Module:
    compat.apply()
    from s3prl.upstream.interfaces import Featurizer

    made = Featurizer(Layers(), upstream_device="cpu", **settings)
    if hasattr(made, "weights"):
        nn.init.normal_(made.weights, generator=torch.Generator().manual_seed(1))
    return made


def test_sums_and_gradients_are_s3prls() -> None:
    own, wavs = featurizer(), [torch.zeros(16_000), torch.zeros(9_000)]
    features = Layers()(wavs)
    found = own.tolist(wavs, StackedLayers(features["hidden_states"]).sum(own))
    expected = own(wavs, features)
    gradients = []
    for rows in (found, expected):
        own.weights.grad = None
        torch.cat(rows).square().mean().backward()
        gradients.append(own.weights.grad)
    assert [len(row) for row in found] == [50, 28]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "does"),
    [
        ({}, True),
        ({"normalize": True}, False),
        ({"layer_selection": 2}, False),
        ({"feature_selection": "last_hidden_state"}, False),
    ],
)
def test_which_featurizers_add_up(settings: dict[str, object], does: bool) -> None:
    assert adds_up(featurizer(**settings)) is does
