"""What every objective returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

FEATURES_PENALTY = 10.0
"""Weight of the mean square of the convolutional features (papers A and C, all objectives); a front end that doesn't learn
has no such penalty."""

UNITS = {"bits": 1 / math.log(2), "L1": 1.0}
"""What a logged loss is multiplied by: fairseq logs cross-entropies in bits."""


@dataclass
class Loss:
    """The loss of a batch: a sum over masked frames, as fairseq's criterions have it.

    Shape: total (), to be divided by `frames`, the number of masked frames summed over (of utterances, for CTC).  `terms`
    are sums over the same frames, `averages` are plain values of the batch, and `ratios` are parts and wholes to be summed
    before they are divided; all are detached and only logged.
    """

    total: Tensor
    frames: int
    terms: dict[str, Tensor] = field(default_factory=dict)
    averages: dict[str, Tensor] = field(default_factory=dict)
    ratios: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
