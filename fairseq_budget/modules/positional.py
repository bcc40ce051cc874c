"""The position of a frame, by convolution.

Letters: B utterances, F frames, D model width, K kernel.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.kernels.narrow_groups import WIDEST, convolve_narrow


class WeightNormConv(nn.Module):
    """A grouped convolution whose weight is ``g * v / ||v||``, with one gain for each tap of the kernel.

    The norm runs over both channel dimensions (torch's ``weight_norm(dim=2)``, which stock fairseq uses); the parameters
    are its `weight_g` (1, 1, K) and `weight_v` (D, D / groups, K).
    """

    literal = False
    """True: even narrow groups as a convolution, so that a counter of FLOPs sees no zeros multiplied."""

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups, self.kernel = groups, kernel
        deviation = math.sqrt(4 / (kernel * dim))
        self.weight_v = nn.Parameter(torch.randn(dim, dim // groups, kernel) * deviation)
        self.weight_g = nn.Parameter(self._norm(self.weight_v.detach()))
        self.bias = nn.Parameter(torch.zeros(dim))

    @staticmethod
    def _norm(weight: Tensor) -> Tensor:
        return torch.linalg.vector_norm(weight.float(), dim=(0, 1), keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (B, F, D) -> (B, F, D)."""
        weight = self.weight_v * (self.weight_g / self._norm(self.weight_v)).type_as(self.weight_v)
        # with an even kernel, stock fairseq computes a frame more and cuts it off
        x = F.pad(x, (0, 0, self.kernel // 2, (self.kernel - 1) // 2))
        if x.device.type == "cpu" and 1 < weight.size(1) <= WIDEST and not self.literal:
            return convolve_narrow(x, weight, self.groups) + self.bias
        x = x.transpose(1, 2)
        if x.device.type != "cpu":
            return F.conv1d(x, weight, self.bias, groups=self.groups).transpose(1, 2)
        # as an image of one row, with the channels of a frame side by side in memory, oneDNN's grouped convolutions take two
        # thirds of the time, forward and backward
        return F.conv2d(x.unsqueeze(2), weight.unsqueeze(2), self.bias, groups=self.groups).squeeze(2).transpose(1, 2)


class PositionalConv(nn.Module):
    """Relative position by convolution (Baevski et al. 2020, section 2); parameters are called ``0.*`` as in fairseq."""

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.add_module("0", WeightNormConv(dim, kernel, groups))

    def literally(self) -> None:
        """Compute a convolution and nothing in its place."""
        self.get_submodule("0").literal = True  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (B, F, D) -> (B, F, D)."""
        return F.gelu(self.get_submodule("0")(x))
