"""What the cost of a model depends on, and how many frames a crop gives."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.arithmetic.head import Head
from fairseq_budget.arithmetic.sizes import CONV_LAYERS


@dataclass(frozen=True)
class ModelShape:
    """Everything that parameters and FLOPs are counted from.

    The defaults are the published ones: 128-wide positional convolution in 16 groups (Baevski et al. 2020), spans of 10
    frames that cover 80% of an utterance before they overlap (Hsu et al. 2021).
    """

    objective: str
    head: Head
    layers: int
    dim: int
    ffn: int
    heads: int
    final_dim: int = 256
    conv_layers: tuple[tuple[int, int, int], ...] = CONV_LAYERS
    layer_norm_extractor: bool = False
    """Layer norm after every convolution instead of group norm after the first."""
    pos_kernel: int = 128
    pos_groups: int = 16
    mask_prob: float = 0.8
    mask_length: int = 10

    @property
    def conv_dim(self) -> int:
        return self.conv_layers[-1][0]

    def frames(self, samples: int) -> int:
        """Frames that the convolutional encoder makes of `samples` samples; 0 when the crop is too short."""
        for _, kernel, stride in self.conv_layers:
            samples = (samples - kernel) // stride + 1
        return max(samples, 0)

    @property
    def stride(self) -> int:
        """Samples from one frame to the next."""
        product = 1
        for _, _, stride in self.conv_layers:
            product *= stride
        return product

    @property
    def shortest_crop(self) -> int:
        """Samples that give exactly one frame."""
        samples = 1
        for _, kernel, stride in reversed(self.conv_layers):
            samples = (samples - 1) * stride + kernel
        return samples
