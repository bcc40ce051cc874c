"""Cost of the convolutional encoder, by the standard library alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from fairseq_budget.arithmetic.frontend import FrontendCost

LAYERS: tuple[tuple[int, int, int], ...] = ((512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2)
"""Convolutions as (channels, kernel, stride); 320 samples a frame, 50 Hz (papers A, B and C)."""


@dataclass(frozen=True)
class ConvCost(FrontendCost):
    """Convolutions without biases, norms between them and a layer norm of the frames (Baevski et al. 2020, section 2)."""

    name: ClassVar[str] = "conv"
    component: ClassVar[str] = "convolutions"
    learns: ClassVar[bool] = True

    layers: tuple[tuple[int, int, int], ...] = LAYERS
    layer_norm: bool = False
    """Layer norm after every convolution instead of group norm after the first."""

    @property
    def width(self) -> int:
        return self.layers[-1][0]

    @property
    def stride(self) -> int:
        return math.prod(stride for _, _, stride in self.layers)

    @property
    def shortest_crop(self) -> int:
        samples = 1
        for _, kernel, stride in reversed(self.layers):
            samples = (samples - 1) * stride + kernel
        return samples

    def parameters(self) -> int:
        total, channels_in = 2 * self.width, 1
        for index, (channels, kernel, _) in enumerate(self.layers):
            total += channels * channels_in * kernel
            total += 2 * channels if self.layer_norm or index == 0 else 0
            channels_in = channels
        return total

    def flops(self, samples: int) -> int:
        """``2 * T_l * C_out * C_in * K``, added up over the layers l with T_l steps each."""
        total, channels_in, steps = 0, 1, samples
        for channels, kernel, stride in self.layers:
            steps = (steps - kernel) // stride + 1
            total += 2 * max(steps, 0) * channels * channels_in * kernel
            channels_in = channels
        return total

    def backward_flops(self, samples: int) -> int:
        """Two forward passes, but for the first convolution: the waveform needs no gradient.

        With group norm its output is computed again (`kernels/first_convolution.py`), which makes up for that.
        """
        channels, kernel, stride = self.layers[0]
        first = 2 * ((samples - kernel) // stride + 1) * channels * kernel
        return 2 * self.flops(samples) - (first if self.layer_norm else 0)


def as_convolutions(frontend: FrontendCost) -> ConvCost:
    """The same front end, by its kind, where only convolutions can be.

    Raises:
        TypeError: it is another one.
    """
    if not isinstance(frontend, ConvCost):
        raise TypeError(f"the front end `{frontend.name}` has no convolutions")
    return frontend
