"""The two convolutional parts: waveform to frames, and the position of a frame.

Letters: B utterances, S samples, F frames, C channels, D model width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TimeGroupNorm(nn.GroupNorm):
    """Group norm with a group for each channel: every channel is normalised over the time of its utterance.

    Computed in float32 whatever the precision around it, as stock fairseq does.  Unlike stock fairseq, which mixes the
    padding of a batch into the statistics, `lengths` restricts them to the frames that exist, so that an utterance gets
    the same features alone and in a batch.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Shape: x (B, C, F), lengths (B,) valid frames or None -> (B, C, F)."""
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.weight.float(), self.bias.float()
            if lengths is None:
                return F.group_norm(x.float(), self.num_groups, weight, bias, self.eps).type_as(x)
            valid = torch.arange(x.size(-1), device=x.device) < lengths[:, None, None]
            wave = x.float() * valid
            count = lengths[:, None, None]
            mean = wave.sum(-1, keepdim=True) / count
            variance = ((wave - mean).square() * valid).sum(-1, keepdim=True) / count
            normal = (wave - mean) * torch.rsqrt(variance + self.eps)
            return (normal * weight[:, None] + bias[:, None]).type_as(x)


class ChannelLayerNorm(nn.Module):
    """Layer norm over channels of a (B, C, F) tensor, in float32; the parameters are called ``1.*`` as in fairseq."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add_module("1", nn.LayerNorm(channels))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Shape: (B, C, F) -> (B, C, F); `lengths` is not needed, the norm doesn't look along time."""
        norm = self.get_submodule("1")
        with torch.autocast(x.device.type, enabled=False):
            rows = x.float().transpose(1, 2)
            normal = F.layer_norm(rows, norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)
            return normal.transpose(1, 2).type_as(x)


class ConvBlock(nn.Module):
    """Convolution, norm (or none) and GELU; parameters are called ``0.*`` and ``2.*`` as in fairseq."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, norm: nn.Module | None) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        convolution = nn.Conv1d(channels_in, channels, kernel, stride=stride, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        self.add_module("0", convolution)
        if norm is not None:
            self.add_module("2", norm)
        self.has_norm = norm is not None

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Shape: x (B, C_in, T), lengths (B,) or None -> (B, C, T'), lengths' or None."""
        x = self.get_submodule("0")(x)
        if lengths is not None:
            lengths = torch.div(lengths - self.kernel, self.stride, rounding_mode="floor") + 1
        if self.has_norm:
            x = self.get_submodule("2")(x, lengths)
        return F.gelu(x), lengths


class ConvFeatureEncoder(nn.Module):
    """Waveform to latent frames (Baevski et al. 2020, section 2): 320 samples a frame with the published layers."""

    def __init__(self, layers: tuple[tuple[int, int, int], ...], mode: str) -> None:
        super().__init__()
        blocks, channels_in = [], 1
        for index, (channels, kernel, stride) in enumerate(layers):
            norm: nn.Module | None = None
            if mode == "layer_norm":
                norm = ChannelLayerNorm(channels)
            elif index == 0:
                norm = TimeGroupNorm(channels)
            blocks.append(ConvBlock(channels_in, channels, kernel, stride, norm))
            channels_in = channels
        self.conv_layers = nn.ModuleList(blocks)

    def forward(self, source: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Shape: source (B, S), lengths (B,) in samples or None -> features (B, C, F), lengths (B,) in frames or None."""
        x = source.unsqueeze(1)
        for block in self.conv_layers:
            x, lengths = block(x, lengths)
        return x, lengths


class WeightNormConv(nn.Module):
    """A grouped convolution whose weight is ``g * v / ||v||``, with one gain for each tap of the kernel.

    The norm runs over both channel dimensions (torch's ``weight_norm(dim=2)``, which stock fairseq uses); the parameters
    are its `weight_g` (1, 1, K) and `weight_v` (D, D / groups, K).
    """

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups, self.kernel = groups, kernel
        deviation = math.sqrt(4 / (kernel * dim))
        self.weight_v = nn.Parameter(torch.randn(dim, dim // groups, kernel) * deviation)
        self.weight_g = nn.Parameter(self._norm(self.weight_v.detach()))
        self.bias = nn.Parameter(torch.zeros(dim))

    @staticmethod
    def _norm(weight: Tensor) -> Tensor:
        return weight.float().square().sum((0, 1), keepdim=True).sqrt()

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (B, D, F) -> (B, D, F) for an odd kernel, one frame more for an even one."""
        weight = self.weight_v * (self.weight_g / self._norm(self.weight_v)).type_as(self.weight_v)
        return F.conv1d(x, weight, self.bias, padding=self.kernel // 2, groups=self.groups)


class PositionalConv(nn.Module):
    """Relative position by convolution (Baevski et al. 2020, section 2); parameters are called ``0.*`` as in fairseq."""

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.add_module("0", WeightNormConv(dim, kernel, groups))

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (B, F, D) -> (B, F, D)."""
        position = self.get_submodule("0")(x.transpose(1, 2))
        return F.gelu(position[..., : x.size(1)]).transpose(1, 2)
