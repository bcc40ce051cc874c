"""A convolution in groups of few channels, as one product of matrices for each group.

With a few channels in a group, a product of a convolution has a few columns, which no CPU computes fast.  Here each row of
the product yields :data:`STEPS` neighbouring frames: its columns are the kernel shifted by 0, 1, ... frames, with zeros
where it doesn't reach (a Toeplitz matrix).  That is (K + STEPS - 1) / K times the arithmetic, and on two CPU cores a fifth
of the time for 2 channels in a group, a third for 3, a half for 6.

Letters: B utterances, F frames, P frames with padding, D channels, G groups, C = D / G channels of a group, K kernel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STEPS = 16
"""Frames that a row yields; 8 and 32 took longer for each width that was tried, from 32 to 96 channels in 16 groups."""
WIDEST = 6
"""Channels of a group; from 8 on, oneDNN's grouped convolution takes less time."""


def convolve_narrow(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """``conv1d(x, weight, groups=groups)`` with channels last.

    Shape: x (B, P, D), weight (D, C, K) -> (B, P - K + 1, D)
    """
    batch, padded, dim = x.shape
    kernel, channels = weight.size(-1), dim // groups
    frames = padded - kernel + 1
    rows, span = -(-frames // STEPS), kernel + STEPS - 1
    # (B, P, D) -> (B, rows, D, span) -> (G, B * rows, C * span)
    windows = F.pad(x, (0, 0, 0, rows * STEPS - frames)).unfold(1, span, STEPS)
    windows = windows.view(batch, rows, groups, channels, span).permute(2, 0, 1, 3, 4)
    out = torch.bmm(windows.reshape(groups, batch * rows, channels * span), _shifted(weight, groups))
    out = out.view(groups, batch, rows * STEPS, channels).permute(1, 2, 0, 3)
    return out.reshape(batch, rows * STEPS, dim)[:, :frames]


def _shifted(weight: Tensor, groups: int) -> Tensor:
    """The kernel of each group, shifted by each of the steps.

    Rows of K + STEPS numbers that are read as rows of one less begin one later each time.

    Shape: (D, C, K) -> (G, C * span, STEPS * C) with span = K + STEPS - 1
    """
    dim, channels, kernel = weight.shape
    length, span = kernel + STEPS, kernel + STEPS - 1
    repeated = F.pad(weight, (0, STEPS))[:, :, None].expand(-1, -1, STEPS, -1)
    skewed = repeated.reshape(dim, channels, STEPS * length)[..., : STEPS * span].view(groups, -1, channels, STEPS, span)
    # (G, C out, C in, STEPS, span) -> (G, C in, span, STEPS, C out)
    return skewed.permute(0, 2, 4, 3, 1).reshape(groups, channels * span, STEPS * channels)
