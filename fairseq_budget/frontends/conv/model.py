"""Waveform to latent frames: the convolutional encoder that all objectives share.

Activations are rows of channels, one for each step of an utterance, in one matrix for the batch (see
:mod:`fairseq_budget.kernels.strided`).

Letters: B utterances, S samples, R rows of an utterance (frames, and what fills up), F frames, C channels.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fairseq_budget.frontends.conv.cost import ConvCost
from fairseq_budget.frontends.module import FrontendModule
from fairseq_budget.kernels.first_convolution import filtered_gelu_conv, normalised_filters, pieces_of
from fairseq_budget.kernels.precision import as_it_is, working_dtype
from fairseq_budget.kernels.strided import gelu_conv


class ChannelLayerNorm(nn.Module):
    """Layer norm over the channels of each step, in float32; the parameters are called ``1.*`` as in fairseq."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add_module("1", nn.LayerNorm(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (..., C) -> (..., C)."""
        norm = cast(nn.LayerNorm, self.get_submodule("1"))
        with as_it_is(x):
            weight, bias = norm.weight.float(), norm.bias.float()
            return F.layer_norm(x.float(), norm.normalized_shape, weight, bias, norm.eps).type_as(x)


class ConvBlock(nn.Module):
    """Parameters of a convolution and its norm, called ``0.*`` and ``2.*`` as in fairseq, and what they compute."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, norm: nn.Module | None) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        convolution = nn.Conv1d(channels_in, channels, kernel, stride=stride, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        self.add_module("0", convolution)
        if norm is not None:
            self.add_module("2", norm)
        self.norm_name = "" if norm is None else "2"

    @property
    def weight(self) -> Tensor:
        return cast(nn.Conv1d, self.get_submodule("0")).weight

    def steps(self, length: Any) -> Any:
        """How often the kernel fits into so many steps of the input, an integer or a tensor of them."""
        return (length - self.kernel) // self.stride + 1

    @property
    def norm(self) -> nn.Module:
        return self.get_submodule(self.norm_name) if self.norm_name else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of ``gelu(x)`` and its norm, before the GELU.  Shape: (B * R, C_in) -> (B * R', C)."""
        return self.norm(gelu_conv(x, self.weight, self.stride))


class ConvFeatureEncoder(FrontendModule):
    """Waveform to latent frames (Baevski et al. 2020, section 2): 320 samples a frame with the published layers.

    Group norm after the first convolution, with a group for each channel, or layer norm after each.  Every convolution ends
    with a GELU.
    """

    def __init__(self, cost: ConvCost) -> None:
        super().__init__()
        blocks, channels_in = [], 1
        for index, (channels, kernel, stride) in enumerate(cost.layers):
            norm: nn.Module | None = None
            if cost.layer_norm:
                norm = ChannelLayerNorm(channels)
            elif index == 0:
                norm = nn.GroupNorm(channels, channels)
            blocks.append(ConvBlock(channels_in, channels, kernel, stride, norm))
            channels_in = channels
        self.conv_layers = nn.ModuleList(blocks)
        self.samples_per_frame = cost.stride

    @property
    def _blocks(self) -> list[ConvBlock]:
        return cast(list[ConvBlock], list(self.conv_layers))

    def forward(self, source: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Shape: source (B, S), lengths (B,) in samples or None -> features (B, F, C), lengths (B,) in frames or None."""
        x, others = self._begin(F.pad(source, (0, -source.size(1) % self.samples_per_frame)), lengths, source.size(1))
        for block in others:
            x = block(x)
        total = source.size(1)
        for block in self._blocks:
            total, lengths = block.steps(total), None if lengths is None else block.steps(lengths)
        # (B * R, C) -> (B, F, C)
        return F.gelu(x.view(source.size(0), -1, x.size(1))[:, :total]), lengths

    def _begin(self, source: Tensor, lengths: Tensor | None, samples: int) -> tuple[Tensor, list[ConvBlock]]:
        """Convolutions as far as they are computed in one, before the GELU, and those that are left.

        Shape: source (B, S), lengths (B,) or None when each row has so many `samples` -> (B * R, C)
        """
        first, *others = self._blocks
        pieces, weight = pieces_of(source, first.kernel, first.stride), first.weight.squeeze(1)
        low = pieces.to(working_dtype(weight))
        if not isinstance(first.norm, nn.GroupNorm):
            return first.norm(F.linear(low, weight).flatten(0, 1)), others
        frames = first.steps(samples if lengths is None else lengths)
        filters, biases = normalised_filters(pieces, frames, weight, first.norm.weight, first.norm.bias, first.norm.eps)
        if not others:
            return torch.baddbmm(biases.to(low.dtype)[:, None], low, filters.transpose(1, 2).to(low.dtype)).flatten(0, 1), []
        second, *others = others
        return filtered_gelu_conv(low, filters, biases, second.weight, second.stride), others


MODEL = ConvFeatureEncoder
