"""Weighted sums over an upstream's layers, each a product of a head's weights with layers that all heads have in common.

s3prl's featurizer copies all layers, multiplies each by its weight and adds them up, for every head again, and the same way
back: with a store of hidden states, most of what a linear head costs.  The product is a head's own, so that what it gives
doesn't depend on which other heads there are.  Equal to s3prl's up to rounding.

Letters: L layers, B waves, F frames, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def adds_up(featurizer: Any) -> bool:
    """Whether a featurizer of s3prl's adds up layers, as they are."""
    return isinstance(getattr(featurizer, "weights", None), nn.Parameter) and not featurizer.normalize


class StackedLayers:
    """The hidden states of a batch, copied once for all heads."""

    def __init__(self, layers: Sequence[Tensor]) -> None:
        self._shape = layers[0].shape
        self._layers = torch.stack(tuple(layers)).flatten(1)

    def sum(self, featurizer: Any) -> Tensor:
        """By a featurizer's weights.  Shape: -> (B, F, D)"""
        return (torch.softmax(featurizer.weights, dim=0) @ self._layers).view(self._shape)
